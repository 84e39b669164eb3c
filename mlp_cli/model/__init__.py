"""A trained network: its checkpoint, its answers, how good they are, and the reader of pictures."""
