"""The console's store: SQLite by default, PostgreSQL where the settings name it."""
