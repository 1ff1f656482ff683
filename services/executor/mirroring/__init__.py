"""Mirrored orders: resting orders of the master that are placed, amended and cancelled for a user with the master's."""
