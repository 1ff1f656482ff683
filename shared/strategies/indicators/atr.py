"""The average true range by Wilder: how far the price moves in a candle, smoothed by 1 / length."""

from __future__ import annotations

from math import fsum

from shared.strategies.indicators.bars import Bars
from shared.strategies.indicators.latest import require


def atr(bars: Bars, length: int) -> float:
    """Return the range (quote per base) at the newest candle. Raises ValueError for fewer than length + 1 candles."""
    require(len(bars.closes), length + 1, f"ATR {length}")
    before = length - 1
    average = fsum(bars.true_ranges[:length]) / length
    for true_range in bars.true_ranges[length:]:
        average = (average * before + true_range) / length
    return average
