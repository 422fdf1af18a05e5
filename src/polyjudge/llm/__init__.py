"""Access to language models: one asynchronous client over backends, a journal of every paid call, budgets."""
