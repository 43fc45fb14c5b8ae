"""One command a file, or a folder where it has commands of its own; each has `register(app)`."""
