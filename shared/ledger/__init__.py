"""Read models over Redis, shared by api and ops."""
