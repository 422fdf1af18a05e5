"""Numbers, counts and markup as text, in one place for all tables, pages and messages."""
