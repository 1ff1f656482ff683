"""The connection below the bus: bytes, error replies, and the check of the server."""
