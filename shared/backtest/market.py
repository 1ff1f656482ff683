"""The candles of one pair as the backtest moves through them, with the window that a strategy may see of them."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.values.symbol import Symbol
from shared.venues.port import Candle


class PairMarket:
    """One pair. Only candles up to the present one are ever shown: nothing here looks ahead."""

    def __init__(self, symbol: Symbol, candles: Sequence[Candle], minutes: int) -> None:
        self.symbol = symbol
        self._candles = candles
        self._step = minutes * 60_000
        self._next = 0
        self._unbroken = 0
        self.on_time = False
        """Whether the present candle follows the one before it without a gap."""

    @property
    def next_at(self) -> int | None:
        """When the next candle begins, epoch ms; None at the end."""
        return self._candles[self._next].opened_at if self._next < len(self._candles) else None

    def advance(self) -> Candle:
        """Move to the next candle and return it."""
        candle = self._candles[self._next]
        earlier = self._candles[self._next - 1].opened_at if self._next else None
        self.on_time = earlier is not None and candle.opened_at - earlier == self._step
        self._unbroken = self._unbroken + 1 if self.on_time else 1
        self._next += 1
        return candle

    def window(self, needs: int, at_least: int) -> Sequence[Candle] | None:
        """Return the newest `needs` candles without a gap, the present one last; None if there are fewer than `at_least`.

        This is `shared.strategies.candle_window.window`, without looking at each candle again.
        """
        there = min(needs, self._unbroken)
        return self._candles[self._next - there : self._next] if there >= at_least else None
