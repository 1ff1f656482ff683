"""What a signal means for one user: the same rules for the engine, the backtest and what-if. Pure."""
