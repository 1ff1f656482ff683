"""The connection below the bus: bytes, refusals, what the server must be like."""
