"""Stops that rest at the venue beside the strategies' positions, so that they act while this machine is off."""
