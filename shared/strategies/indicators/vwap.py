"""The volume-weighted average price over all candles that are given."""

from __future__ import annotations

from math import fsum

from shared.strategies.indicators.bars import Bars


def vwap(bars: Bars) -> float | None:
    """Return the average of the typical prices, weighted by volume (quote per base); None if nothing was traded."""
    volume = fsum(bars.volumes)
    return fsum(bars.turnovers) / volume if volume > 0 else None
