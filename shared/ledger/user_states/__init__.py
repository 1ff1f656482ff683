"""The states of users: each read as a whole, and all of them in short."""
