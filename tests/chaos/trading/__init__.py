"""Where signals come from in a chaos run: the harness, the real master, and a person with a key of the same account."""
