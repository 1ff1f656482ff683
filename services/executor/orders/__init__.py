"""Decisions from the order stream, each carried to its settled outcome."""
