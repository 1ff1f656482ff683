"""Prices of the paper exchange: candles, feeds and the clock that moves them."""
