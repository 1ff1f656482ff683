"""Kraken behind the port. The venue facts are in KRAKEN.md."""
