"""Orders as Kraken takes them: parameters, prices, times, and the trading calls."""
