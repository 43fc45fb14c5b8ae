"""What analysts do: try, train and compare detectors on years of history. Knows no web."""
