"""The response cache: every answer that was paid for, by content. It is also the record, and the way to resume."""
