"""One self-contained HTML file of a run or a study: what was found, for the people who have to decide."""
