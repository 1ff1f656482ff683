"""What an operator may do to a running Shoal: its consequence before the confirmation, and doing it once."""
