"""Results as people read them: summaries, tables, and pages of HTML."""
