"""Actions over HTTP: what one would do, and doing it."""
