"""The swing low: the lowest price of the newest candles, in `Decimal`, because a stop is computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from shared.strategies.indicators.latest import require
from shared.venues.port import Candle


def swing_low(candles: Sequence[Candle], length: int) -> Decimal:
    """Return the lowest low of the last `length` candles (quote per base). Raises ValueError for fewer candles."""
    require(len(candles), length, f"swing low of {length}")
    return min(candle.low for candle in candles[-length:])
