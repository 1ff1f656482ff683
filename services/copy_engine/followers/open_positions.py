"""The master's open positions, derived from its signals: size, average price and entries. Pure.

Signals are applied in order. If the first entry of a position is not among them, its average price is unknown and never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Context
from typing import Final

from shared.bus.flow.streams import entry_order
from shared.domain.order import Kind
from shared.domain.signal import Signal
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol

_AVERAGE_CONTEXT: Final = Context(prec=12, rounding=ROUND_FLOOR)
"""Digits of an average price: finer than any tick, still readable, and rounded down, never above what was paid."""


@dataclass(frozen=True, slots=True)
class EntrySignal:
    """A signal that bought part of the position, and the id of its stream entry."""

    entry_id: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position of the master. `bought` and `cost` are those of its entries, less the part that was sold since."""

    size: Quantity
    bought: Quantity
    cost: Money
    entries: tuple[EntrySignal, ...]
    whole: bool
    """Whether all entries since the master was flat are among the signals."""

    @property
    def average(self) -> Price | None:
        """Return the average price of what is open, before fees; None if it is not known."""
        if not self.whole or self.bought.amount <= 0 or self.cost.amount <= 0:
            return None
        return Price(_AVERAGE_CONTEXT.divide(self.cost.amount, self.bought.amount), self.entries[-1].signal.symbol)


@dataclass(frozen=True, slots=True)
class JoinablePosition:
    """A position that was open when a user started to follow, and still is."""

    latest: EntrySignal
    """The last entry before the user followed: joining is a decision on this signal."""
    position: OpenPosition
    added: Signal | None
    """A later entry of the position, on which the user gets a decision of its own; None if there is none."""


class OpenPositions:
    """The open positions as of the last signal that was applied."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Symbol], OpenPosition] = {}

    def apply(self, entry_id: str, signal: Signal) -> None:
        """Apply the next signal."""
        key = (signal.leader, signal.symbol)
        found = self._open.pop(key, None)
        if signal.kind is Kind.ENTRY:
            found = _after_entry(found, EntrySignal(entry_id, signal))
        elif found is not None:
            found = _after_exit(found, signal)
        if found is not None and found.size.amount > 0:
            self._open[key] = found

    def joinable(self, start: str) -> list[JoinablePosition]:
        """Return the positions that were open after the signal with the entry id `start`, and have not been closed since."""
        found = []
        for position in self._open.values():
            before = [each for each in position.entries if entry_order(each.entry_id) <= entry_order(start)]
            if before:
                newest = position.entries[-1]
                found.append(JoinablePosition(before[-1], position, None if newest is before[-1] else newest.signal))
        return found


def _after_entry(before: OpenPosition | None, new: EntrySignal) -> OpenPosition:
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


def _after_exit(before: OpenPosition, signal: Signal) -> OpenPosition | None:
    """Reduce size and cost in proportion to a sale: the average price stays the same."""
    kept = ONE - (ONE if signal.fraction is None else signal.fraction)
    if kept <= ZERO:
        return None
    return replace(before, size=signal.position_after, bought=before.bought.scaled(kept), cost=before.cost.scaled(kept))
