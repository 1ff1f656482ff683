"""Parts of `config/strategy.toml`: kinds of values, the table of caps, and the former keys."""
