"""Access to language models: one asynchronous client over backends, a cache of every paid answer, budgets."""
