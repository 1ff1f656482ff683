"""Candles of the seeded market without an exchange: what the paper exchange would list after running from `start` to `end`.

The price makes a step every `step` seconds, as it does at an exchange whose market runs `60 x step` times as fast as the clock.
The same seed and step give the same candles there and here; another step gives another path of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from shared.seeded_market.bars import Bar
from shared.seeded_market.path import seeded_random, seeded_walk, volume_of
from shared.venues.port import Candle

_VOLUME_DIGITS: Final = 8


def seeded_candles(
    *, seed: int, symbol: str, regime: str, decimals: int, start: int, minutes: int, count: int, step: int = 60
) -> Iterator[Candle]:
    """Iterate over `count` committed candles from `start` (epoch s, a multiple of the candle's length), oldest first.

    `decimals` are those of the price. `step` is in seconds and divides 60. Raises KeyError for an unknown pair or regime.
    """
    walk, noise = seeded_walk(seed, symbol, regime), seeded_random(seed, symbol, "volume").random
    length, scale = minutes * 60, float(10**decimals)
    ticks = max(1, round(walk.price * scale))
    bar = Bar(start, ticks)
    bar.trade(ticks, volume_of(noise(), ticks, scale))
    for second in range(start + step, start + length * count + 1, step):
        ticks = max(1, round(walk.step(float(step)) * scale))
        if second >= bar.start + length:
            yield _candle(bar, decimals)
            bar = Bar(bar.start + length, bar.close)
        bar.trade(ticks, volume_of(noise(), ticks, scale))


def _candle(bar: Bar, decimals: int) -> Candle:
    """Convert a bar: prices are exact, since they are whole ticks; the volume is rounded to 8 decimals."""
    opened, high, low, close = (Decimal(each).scaleb(-decimals) for each in (bar.open, bar.high, bar.low, bar.close))
    return Candle(bar.start * 1000, opened, high, low, close, Decimal(f"{bar.volume:.{_VOLUME_DIGITS}f}"))
