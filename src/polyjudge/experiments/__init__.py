"""The main jobs: check, optimize, score. Here alone names become objects."""
