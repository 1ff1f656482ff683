"""The relative strength index by Wilder: the share of gains in gains and losses, both smoothed by 1 / length."""

from __future__ import annotations

from math import fsum

from shared.strategies.indicators.bars import Bars
from shared.strategies.indicators.latest import Latest, require


def rsi(bars: Bars, length: int) -> Latest:
    """Return the index (0 to 100; 0 if the price never moved). Raises ValueError for fewer than length + 2 candles."""
    require(len(bars.closes), length + 2, f"RSI {length}")
    before = length - 1
    gain = previous_gain = fsum(bars.gains[:length]) / length
    loss = previous_loss = fsum(bars.losses[:length]) / length
    for up, down in zip(bars.gains[length:], bars.losses[length:], strict=True):
        previous_gain, previous_loss = gain, loss
        gain = (gain * before + up) / length
        loss = (loss * before + down) / length
    return Latest(_index(previous_gain, previous_loss), _index(gain, loss))


def _index(gain: float, loss: float) -> float:
    return 100.0 * (gain / (gain + loss)) if gain + loss > 0 else 0.0
