"""One account's API key: what is known about it, its check, and the conditions under which it may trade."""
