"""The exponential moving average, begun with the simple average of its first values, as TA-Lib does."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from shared.strategies.indicators.latest import require


def ema(values: Sequence[float], length: int) -> float:
    """Return the average at the newest value, smoothed by 2 / (length + 1). Raises ValueError for fewer than `length` values."""
    require(len(values), length, f"EMA {length}")
    weight = 2.0 / (length + 1)
    average = fsum(values[:length]) / length
    for value in values[length:]:
        average += weight * (value - average)
    return average


def ema_series(values: Sequence[float], length: int) -> list[float]:
    """Return the averages at each value from the `length`th on. Raises ValueError for fewer than `length` values."""
    require(len(values), length, f"EMA {length}")
    weight = 2.0 / (length + 1)
    average = fsum(values[:length]) / length
    series = [average]
    for value in values[length:]:
        average += weight * (value - average)
        series.append(average)
    return series
