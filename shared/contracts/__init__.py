"""The wire: what the messages and keys in Redis are called and look like."""
