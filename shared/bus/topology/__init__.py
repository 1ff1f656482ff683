"""Which server a command goes to: the one of the URL, the primary that Sentinels name, or the owner of its key's slot."""
