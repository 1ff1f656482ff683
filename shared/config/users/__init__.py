"""The users' own settings: `config/users/<user>.toml`."""
