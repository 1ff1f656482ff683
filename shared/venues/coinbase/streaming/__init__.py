"""Coinbase's private stream: the channels `user` and `heartbeats`. The facts are in COINBASE.md, C22 to C28."""
