"""What decides when the master trades. Pure; knows no venue and no Redis."""
