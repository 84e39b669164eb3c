"""The derivation, executed: every formula against a witness, and every number of one example."""
