"""Moving average convergence / divergence: how far the line is above its signal.

TA-Lib begins both averages at the same value: the fast one with the values up to where the slow one begins, not with the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from shared.strategies.indicators.latest import Latest, require


def macd_histogram(closes: Sequence[float], fast: int, slow: int, signal: int) -> Latest:
    """Return the histogram (quote per base), line minus signal. Raises ValueError for fewer than slow + signal closes."""
    require(len(closes), slow + signal, f"MACD {fast}/{slow}/{signal}")
    fast_weight, slow_weight, signal_weight = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
    fast_average = fsum(closes[slow - fast : slow]) / fast
    slow_average = fsum(closes[:slow]) / slow
    begun = slow + signal - 1
    lines = [fast_average - slow_average]
    for close in closes[slow:begun]:
        fast_average += fast_weight * (close - fast_average)
        slow_average += slow_weight * (close - slow_average)
        lines.append(fast_average - slow_average)
    average = fsum(lines) / signal
    previous = histogram = lines[-1] - average
    latest = max(begun, len(closes) - 2)
    for close in closes[begun:latest]:  # of these only the averages are needed, and most candles are among them
        fast_average += fast_weight * (close - fast_average)
        slow_average += slow_weight * (close - slow_average)
        average += signal_weight * (fast_average - slow_average - average)
    for close in closes[latest:]:
        fast_average += fast_weight * (close - fast_average)
        slow_average += slow_weight * (close - slow_average)
        above = fast_average - slow_average - average
        average += signal_weight * above
        previous, histogram = histogram, above - signal_weight * above
    return Latest(previous, histogram)
