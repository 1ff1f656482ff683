"""The HTTP face: status, signals, health, metrics."""
