"""What the master has open, as its signals tell it: how much, at what average price, and by which entries. Pure.

Signals are taken in their order. Of a position whose beginning is not among them the average price is not known, nor guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Context
from typing import Final

from shared.bus.streams import entry_order
from shared.domain.order import Kind
from shared.domain.signal import Signal
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol

_LEGIBLE: Final = Context(prec=12, rounding=ROUND_FLOOR)
"""Digits of an average price: beyond any tick, still readable, and never above what was paid."""


@dataclass(frozen=True, slots=True)
class EntrySignal:
    """A signal by which the position was bought, and the id of its entry in the stream."""

    entry_id: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position of the master. `bought` and `cost` are of its entries, less what has been sold of them since."""

    size: Quantity
    bought: Quantity
    cost: Money
    entries: tuple[EntrySignal, ...]
    whole: bool
    """Whether every entry since the master was flat is among the signals."""

    @property
    def average(self) -> Price | None:
        """Give the average price of what is open, before fees; None if it is not known."""
        if not self.whole or self.bought.amount <= 0 or self.cost.amount <= 0:
            return None
        return Price(_LEGIBLE.divide(self.cost.amount, self.bought.amount), self.entries[-1].signal.symbol)


@dataclass(frozen=True, slots=True)
class JoinablePosition:
    """A position that was open when a user began to follow, and still is."""

    latest: EntrySignal
    """The last entry before he followed: the signal that joining is a decision about."""
    position: OpenPosition
    added: Signal | None
    """An entry of the position that has come since, on which he has a decision of its own."""


class OpenPositions:
    """The open positions as of the last signal that was taken."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Symbol], OpenPosition] = {}

    def take(self, entry_id: str, signal: Signal) -> None:
        """Go on by one signal."""
        key = (signal.venue, signal.symbol)
        found = self._open.pop(key, None)
        if signal.kind is Kind.ENTRY:
            found = _entered(found, EntrySignal(entry_id, signal))
        elif found is not None:
            found = _sold(found, signal)
        if found is not None and found.size.amount > 0:
            self._open[key] = found

    def joinable(self, start: str) -> list[JoinablePosition]:
        """List what was open when the signal with the entry id `start` had been carried, and has not been closed since."""
        found = []
        for position in self._open.values():
            before = [each for each in position.entries if entry_order(each.entry_id) <= entry_order(start)]
            if before:
                newest = position.entries[-1]
                found.append(JoinablePosition(before[-1], position, None if newest is before[-1] else newest.signal))
        return found


def _entered(before: OpenPosition | None, new: EntrySignal) -> OpenPosition:
    signal = new.signal
    if before is None or signal.position_before.amount <= 0:
        whole = signal.position_before.amount <= 0
        return OpenPosition(signal.position_after, signal.base_size, signal.quote_size, (new,), whole)
    return OpenPosition(
        size=signal.position_after,
        bought=before.bought + signal.base_size,
        cost=before.cost + signal.quote_size,
        entries=(*before.entries, new),
        whole=before.whole,
    )


def _sold(before: OpenPosition, signal: Signal) -> OpenPosition | None:
    """Take what was sold off in proportion: the average price of the rest stays."""
    kept = ONE - (ONE if signal.fraction is None else signal.fraction)
    if kept <= ZERO:
        return None
    return replace(before, size=signal.position_after, bought=before.bought.scaled(kept), cost=before.cost.scaled(kept))
