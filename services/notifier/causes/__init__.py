"""What stands now that a message could be about, as read from Redis."""
