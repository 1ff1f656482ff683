"""The generated market: price paths and candles from a seed, for the paper exchange and the backtest. Pure."""
