"""Trades the master account and emits a signal per confirmed fill."""
