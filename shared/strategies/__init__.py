"""What decides when the master trades: strategies, their settings, and how a position ends by price. Pure; no Redis, no calls."""
