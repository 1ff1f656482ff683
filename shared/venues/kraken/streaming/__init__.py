"""Kraken's private stream: the channels `executions` and `balances` of WebSocket v2. The facts are in KRAKEN.md, K30 to K33."""
