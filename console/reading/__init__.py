"""What the pages and the interface for programs read from the store. Nothing here changes anything."""
