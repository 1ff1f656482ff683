"""What the engine knows of the users it decides for."""
