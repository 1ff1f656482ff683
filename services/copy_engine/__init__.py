"""Turns each signal into one decision per user."""
