"""Coinbase's WebSocket: the private channel `user` and the public ones, one protocol on one address."""
