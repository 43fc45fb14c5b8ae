"""Who may do what, and how the console knows who it is."""
