"""What Redis keeps of the masters' accounts and orders."""
