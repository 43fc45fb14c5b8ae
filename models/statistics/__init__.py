"""What is normal: counts over time, their expectation and how surprising a count is."""
