"""A simulated judge world, for testing software and error rates: never evidence about a real model or about people."""
