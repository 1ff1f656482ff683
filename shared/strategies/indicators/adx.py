"""The average directional index by Wilder: how one-sided the price moves, up or down.

It begins as TA-Lib's does: Wilder's sums start with length - 1 steps, the index with the average of the first `length`
directions. A step without any range, or without any direction, leaves the index as it is.
"""

from __future__ import annotations

from math import fsum

from shared.strategies.indicators.bars import Bars
from shared.strategies.indicators.latest import require


def adx(bars: Bars, length: int) -> float:
    """Return the index (0 to 100) at the newest candle. Raises ValueError for fewer than 2 x length candles."""
    require(len(bars.closes), 2 * length, f"ADX {length}")
    begun, keep = length - 1, 1.0 - 1.0 / length
    rise, fall = fsum(bars.rises[:begun]), fsum(bars.falls[:begun])
    ranges = fsum(bars.true_ranges[:begun])
    average = 0.0
    steps = zip(bars.rises[begun:], bars.falls[begun:], bars.true_ranges[begun:], strict=True)
    for count, (up, down, true_range) in enumerate(steps):
        rise = rise * keep + up
        fall = fall * keep + down
        ranges = ranges * keep + true_range
        moved = rise + fall
        known = ranges > 0 and moved > 0
        if count < length:
            average += 100.0 * abs(rise - fall) / moved / length if known else 0.0
        elif known:
            average = (average * begun + 100.0 * abs(rise - fall) / moved) / length
    return average
