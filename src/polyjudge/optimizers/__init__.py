"""Proposers of new instructions. Each is one file and one row of the registry."""
