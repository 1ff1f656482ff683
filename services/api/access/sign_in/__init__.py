"""Signing in and out: the pages, the check of a password, the use of a link."""
