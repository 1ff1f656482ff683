"""What is done without a signal: the user's own exits, reconciliation, prices."""
