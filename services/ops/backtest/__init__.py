"""`ops backtest`: a strategy over past or generated candles, with users who copy it. Needs no Redis and calls nothing."""
