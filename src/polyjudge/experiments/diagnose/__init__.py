"""What went wrong in a finished run: asked, measured, said."""
