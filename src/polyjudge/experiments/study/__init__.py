"""Many runs as one experiment: a grid in a file, one client for all of it, and tables at the end."""
