"""Sends messages to people about what needs them; see README.md."""
