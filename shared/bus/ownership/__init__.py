"""Who may act: leases, their renewal, and the nonces of a key."""
