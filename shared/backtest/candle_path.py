"""What stops and targets do within one candle, of which only four prices are known: the worse order of events is assumed.

The price goes from the open to the low, then to the high. So a stop counts before a target that the same candle reaches. A stop
that the high has raised (a trailing one, or one moved to the entry by a target) counts as reached by the same low: the price may
have fallen again after the high. A trigger fills at its own price, or at the open if the candle opens beyond it.

The trigger that comes first on the way acts first, so that a user's own stop above the master's sells before the master does.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from shared.domain.values.symbol import Symbol
from shared.venues.port import Candle


class Holder(Protocol):
    """One who holds something that a price can close: a strategy of the master, or a user. Prices are quote per base."""

    def low_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the price at or below which something is sold; None if there is none."""
        ...

    def high_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the price at or above which something is sold; None if there is none."""
        ...

    def mark(self, symbol: Symbol) -> Decimal | None:
        """Return the price above which a stop follows; None if none does."""
        ...

    def see(self, symbol: Symbol, price: Decimal) -> None:
        """Take note of a price."""
        ...

    def hit(self, symbol: Symbol, reference: Decimal, at: int) -> bool:
        """Sell what is due at a price at an instant (epoch ms); return whether anything was sold."""
        ...


_Bounds = tuple[Decimal | None, Decimal | None]


class CandlePath:
    """Walks candles past the triggers of all holders. The cost of a candle that reaches none does not depend on their number."""

    def __init__(self, holders: Sequence[Holder]) -> None:
        self._holders = holders
        self._bounds: dict[Symbol, _Bounds] = {}

    def changed(self, symbol: Symbol) -> None:
        """Look at the triggers of a symbol again: something was bought or sold."""
        self._bounds.pop(symbol, None)

    def walk(self, symbol: Symbol, candle: Candle) -> None:
        """Let a candle's prices act on what is held."""
        bounds = self._bounds.get(symbol)
        if bounds is None:
            bounds = self._bounds[symbol] = self._nearest(symbol)
        low, high = bounds
        if (low is None or candle.low > low) and (high is None or candle.high < high):
            return
        at = candle.opened_at
        self._see(symbol, candle.open)
        self._fall(symbol, candle.open, candle.low, at)
        self._rise(symbol, candle.open, candle.high, at)
        self._see(symbol, candle.high)
        self._fall(symbol, candle.high, candle.low, at)
        self.changed(symbol)

    def _nearest(self, symbol: Symbol) -> _Bounds:
        lows = [trigger for each in self._holders if (trigger := each.low_trigger(symbol)) is not None]
        highs = [trigger for each in self._holders if (trigger := each.high_trigger(symbol)) is not None]
        highs += [mark for each in self._holders if (mark := each.mark(symbol)) is not None]
        return max(lows, default=None), min(highs, default=None)

    def _see(self, symbol: Symbol, price: Decimal) -> None:
        for holder in self._holders:
            holder.see(symbol, price)

    def _fall(self, symbol: Symbol, start: Decimal, end: Decimal, at: int) -> None:
        stuck: set[Holder] = set()  # what is below the venue's minimum cannot be sold
        while True:
            due = [
                (trigger, holder)
                for holder in self._holders
                if holder not in stuck and (trigger := holder.low_trigger(symbol)) is not None and trigger >= end
            ]
            if not due:
                return
            trigger, holder = max(due, key=lambda each: each[0])
            if not holder.hit(symbol, min(trigger, start), at):
                stuck.add(holder)

    def _rise(self, symbol: Symbol, start: Decimal, end: Decimal, at: int) -> None:
        stuck: set[Holder] = set()
        while True:
            due = [
                (trigger, holder)
                for holder in self._holders
                if holder not in stuck and (trigger := holder.high_trigger(symbol)) is not None and trigger <= end
            ]
            if not due:
                return
            trigger, holder = min(due, key=lambda each: each[0])
            if not holder.hit(symbol, max(trigger, start), at):
                stuck.add(holder)
