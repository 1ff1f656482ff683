"""The backtest: the master's strategy and the users' decisions over past or generated candles. Pure but for reading the files."""
