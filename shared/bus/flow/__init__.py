"""Streams: written, read in groups, swept and trimmed."""
