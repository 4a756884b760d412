"""The backend of engine spark: rows of any number, beyond this process's memory, computed where they are."""
