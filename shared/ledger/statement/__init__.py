"""The leak statement: why a user's result of a month differs from the master's, in parts that add up exactly."""
