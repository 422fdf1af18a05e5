"""The response cache: every answer that was paid for, by the content of its request. Runs resume from it."""
