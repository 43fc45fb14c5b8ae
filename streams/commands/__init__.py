"""One command a file; each has `register(app)`."""
