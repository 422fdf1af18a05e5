"""Data sets: reading them, splitting them without leaks, and the ones that have a name."""
