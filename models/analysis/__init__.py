"""What analysts ask of alerts and labels, as pure functions: no file, no clock, no chance."""
