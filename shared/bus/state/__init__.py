"""What is true now: records of accounts, heartbeats, samples, switches."""
