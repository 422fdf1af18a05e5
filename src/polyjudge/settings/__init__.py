"""The settings of a run: where they come from, which wins, and what they must be."""
