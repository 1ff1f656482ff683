"""A user's turn at this process: the lease, the order stream, what runs when."""
