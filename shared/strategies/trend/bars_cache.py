"""Keeps the bars of each symbol's last window, because the next one is the same but for a candle.

A cache and nothing else: a window that does not follow on is computed from its candles, and both ways give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.values.symbol import Symbol
from shared.strategies.indicators import Bars
from shared.venues.port import Candle


@dataclass(frozen=True, slots=True)
class _Window:
    candles: tuple[Candle, ...]
    bars: Bars


class BarsCache:
    """One window per symbol."""

    def __init__(self) -> None:
        self._windows: dict[Symbol, _Window] = {}

    def bars(self, symbol: Symbol, candles: tuple[Candle, ...]) -> Bars:
        """Return the bars of these candles. Raises ValueError for fewer than two."""
        known = self._windows.get(symbol)
        if known is not None and known.candles[1:] == candles[:-1]:
            bars = known.bars.following(candles[-2], candles[-1])
        else:
            bars = Bars.of(candles)
        self._windows[symbol] = _Window(candles, bars)
        return bars
