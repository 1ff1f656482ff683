"""A wire-compatible paper exchange."""
