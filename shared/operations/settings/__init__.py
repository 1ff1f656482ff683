"""Edits of a user's settings file: the text, its checks, its backups."""
