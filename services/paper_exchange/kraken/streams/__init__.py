"""Kraken's WebSocket v2 over the core: its protocol, the private channels, and the public ones that Shoal's users need."""
