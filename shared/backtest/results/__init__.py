"""What came of a backtest: equity by day, figures, fills and skips of each account."""
