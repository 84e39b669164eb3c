"""A step and an epoch of training: the loop, and the state that it changes."""
