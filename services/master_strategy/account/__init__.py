"""What the master's account holds, by the venue's word, and what is recorded of it."""
