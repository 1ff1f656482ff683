"""The accounts of a backtest: the master's, which runs a strategy, and those of users who copy it."""
