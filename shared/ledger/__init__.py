"""Read models over the keyspace, shared by api and ops."""
