"""The judge: a prompt, an example, and the scores that a model's replies plainly state."""
