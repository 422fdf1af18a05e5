"""The sections of the report's page, each from the same report data."""
