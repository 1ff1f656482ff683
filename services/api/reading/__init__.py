"""What the API keeps of all users, read again a bounded number of users at a time."""
