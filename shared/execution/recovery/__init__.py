"""Orders that Redis has forgotten, found again at the venue."""
