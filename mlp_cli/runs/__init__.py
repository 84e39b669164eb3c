"""A run on disk: its directory, how it starts, what is kept and when, and runs in a few words."""
