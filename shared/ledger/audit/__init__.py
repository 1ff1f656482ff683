"""The audit: checks with Redis and the venue's journal that nothing was lost and nothing was duplicated."""
