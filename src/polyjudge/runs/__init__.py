"""A run on disk: its files, its lock, and the one serializer."""
