"""The pages of users: the list, and one user's account."""
