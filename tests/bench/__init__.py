"""The bench: how fast Shoal is against the floors of its machine and against peers, and whether every order was right."""
