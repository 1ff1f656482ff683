"""Where the candles of a backtest come from."""
