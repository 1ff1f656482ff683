"""What one account has made by copying, for people: sums of its trades and samples of its equity. Nothing here decides."""
