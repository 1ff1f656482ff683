"""Carries decisions out on a user's own exchange account."""
