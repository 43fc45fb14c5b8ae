"""`make demo`: two years of a police department through a real broker and a real worker."""
