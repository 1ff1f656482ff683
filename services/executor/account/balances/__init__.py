"""What one account has and what it is worth: balances as read, carried on by its own trades, and valued."""
