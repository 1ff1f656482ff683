"""The average directional index by Wilder: how one-sided the price moves, up or down.

It begins as TA-Lib's does: Wilder's sums start with length - 1 steps, the index with the average of the first `length`
directions. While the price has no direction at all the index stays as it is. Both directions are usually divided by the range
first; their difference over their sum is the same without it.
"""

from __future__ import annotations

from math import fsum

from shared.strategies.indicators.bars import Bars
from shared.strategies.indicators.latest import require


def adx(bars: Bars, length: int) -> float:
    """Return the index (0 to 100) at the newest candle. Raises ValueError for fewer than 2 x length candles."""
    require(len(bars.closes), 2 * length, f"ADX {length}")
    summed, begun, keep = length - 1, 2 * length - 1, 1.0 - 1.0 / length
    rise, fall = fsum(bars.rises[:summed]), fsum(bars.falls[:summed])
    average = 0.0
    for up, down in zip(bars.rises[summed:begun], bars.falls[summed:begun], strict=True):
        rise = rise * keep + up
        fall = fall * keep + down
        if rise + fall > 0:
            average += abs(rise - fall) / (rise + fall) / length
    for up, down in zip(bars.rises[begun:], bars.falls[begun:], strict=True):
        rise = rise * keep + up
        fall = fall * keep + down
        moved = rise + fall
        if moved > 0:
            one_sided = rise - fall if rise > fall else fall - rise
            average = average * keep + one_sided / moved / length
    return 100.0 * average
