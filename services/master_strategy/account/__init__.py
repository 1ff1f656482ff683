"""What the master's account holds at the venue, and what is recorded of it."""
