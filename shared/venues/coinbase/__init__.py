"""Coinbase Advanced Trade. The facts that the adapter relies on are in COINBASE.md beside it."""
