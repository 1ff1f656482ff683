"""How a process starts, logs, listens, supervises its tasks and ends."""
