"""Coinbase Advanced Trade's REST interface over the core: /api/v3/brokerage/..."""
