"""Texts for models, and readers of what models write back."""
