"""HTTP: the application, its rules for every answer, and what pages are made of."""
