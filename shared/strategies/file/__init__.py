"""Parts of `config/strategy.toml`: kinds of values, the table of caps, and the keys of before."""
