"""Reads the formats of other tools."""
