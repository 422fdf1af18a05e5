"""One optimisation, from files to files."""
