"""The channels of the WebSocket: one class each, which tells its part of what happens to one connection."""
