"""One decision after another, from the order stream to its settled outcome."""
