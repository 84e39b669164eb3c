"""The run: configuration, the loop over epochs, checkpoints, the run directory."""
