"""What a step and an epoch of training are: the loop, and the state that it changes."""
