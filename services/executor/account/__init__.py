"""One account under one lease: what it is traded with, and what is known about it."""
