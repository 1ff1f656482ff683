"""The actions themselves, one family per file."""
