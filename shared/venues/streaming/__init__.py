"""WebSocket connections to venues: one connection, when to connect again, and the order in which its reader hears of events."""
