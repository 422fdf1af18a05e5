"""The tables of a study: pure functions from its records to rows, and one renderer."""
