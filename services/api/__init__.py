"""The HTTP API: status, signals, health, metrics."""
