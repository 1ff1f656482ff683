"""How a statement is shown: words, cents, JSON, CSV and HTML."""
