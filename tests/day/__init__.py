"""A simulated day: a real master, twenty users with mixed settings, a crashing market, and a judge of its own."""
