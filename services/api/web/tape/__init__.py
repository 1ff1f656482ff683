"""The live tape: the newest signals, and how many users have copied each."""
