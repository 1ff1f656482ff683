"""The day's two masters: who trades on each of their accounts, and what is judged of each alone."""
