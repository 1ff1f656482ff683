"""Candle patterns, in exact `Decimal`: what counts as green, red, engulfing, a hammer or its mirror, a shooting star.

Engulfing is TA-Lib's: the body covers the one before and is larger at one end at least. TA-Lib's hammer compares with the candles
before; this one is a matter of the candle alone.
"""

from __future__ import annotations

from decimal import Decimal

from shared.venues.port import Candle


def bullish_engulfing(before: Candle, candle: Candle) -> bool:
    """Return whether a green body covers the red one before it."""
    if not (candle.close > candle.open and before.close < before.open):
        return False
    return _covers(candle.open, candle.close, before.close, before.open)


def bearish_engulfing(before: Candle, candle: Candle) -> bool:
    """Return whether a red body covers the green one before it."""
    if not (candle.close < candle.open and before.close >= before.open):
        return False
    return _covers(candle.close, candle.open, before.open, before.close)


def hammer(candle: Candle, *, wick_to_body: Decimal, wick_of_range_pct: Decimal) -> bool:
    """Return whether a green candle's lower wick is over `wick_to_body` bodies and over so many per cent of its range."""
    body, wick = candle.close - candle.open, candle.open - candle.low
    return body > 0 and wick > wick_to_body * body and wick * 100 > wick_of_range_pct * (candle.high - candle.low)


def shooting_star(candle: Candle, *, wick_to_body: Decimal, wick_of_range_pct: Decimal) -> bool:
    """Return whether a red candle's upper wick is over `wick_to_body` bodies and over so many per cent of its range."""
    body, wick = candle.open - candle.close, candle.high - candle.open
    return body > 0 and wick > wick_to_body * body and wick * 100 > wick_of_range_pct * (candle.high - candle.low)


def _covers(bottom: Decimal, top: Decimal, inner_bottom: Decimal, inner_top: Decimal) -> bool:
    return bottom <= inner_bottom and top >= inner_top and (bottom, top) != (inner_bottom, inner_top)
