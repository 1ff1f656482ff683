"""Trades the master's account and tells every confirmed fill of it, once."""
