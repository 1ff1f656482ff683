"""The relative strength index by Wilder: the share of gains in gains and losses, both smoothed by 1 / length."""

from __future__ import annotations

from math import fsum

from shared.strategies.indicators.bars import Bars
from shared.strategies.indicators.latest import Latest, require


def rsi(bars: Bars, length: int) -> Latest:
    """Return the index (0 to 100; 0 if the price never moved). Raises ValueError for fewer than length + 2 candles."""
    require(len(bars.closes), length + 2, f"RSI {length}")
    keep = 1.0 - 1.0 / length
    gain, loss = (
        fsum(bars.gains[:length]),
        fsum(bars.losses[:length]),
    )  # the sums stand in the ratio that the averages do
    for up, down in zip(bars.gains[length:-1], bars.losses[length:-1], strict=True):
        gain = gain * keep + up
        loss = loss * keep + down
    return Latest(_index(gain, loss), _index(gain * keep + bars.gains[-1], loss * keep + bars.losses[-1]))


def _index(gain: float, loss: float) -> float:
    return 100.0 * (gain / (gain + loss)) if gain + loss > 0 else 0.0
