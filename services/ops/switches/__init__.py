"""Commands that stop and restart copying, by an operator or by a stop-out, and the log of who did so."""
