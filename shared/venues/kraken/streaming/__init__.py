"""Kraken's private stream: the channels `executions` and `balances` of WebSocket v2. Facts: KRAKEN.md, K30 and K34 to K37."""
