"""The canary ladder: how far a user's entries go with real money, and when that changes by itself."""
