"""Resting orders of the master, decided for the users who mirror them."""
