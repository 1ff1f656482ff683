"""Trades the master's account and emits every confirmed fill of it as a signal, once."""
