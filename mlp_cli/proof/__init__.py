"""The derivation, executed: every formula against an independent reference, and every number of one example."""
