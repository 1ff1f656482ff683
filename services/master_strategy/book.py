"""What the master holds, and what of each of its orders has been told already: a fold over the signals.

The stream is the truth: the position after the last signal of a symbol. The positions hash is a view of it, and stands above it
only where it is newer: an entry of the strategy that came too late to be told is held all the same, and must be sold one day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from shared.domain.account import Position
from shared.domain.money import ZERO, Money, Quantity
from shared.domain.order import Kind
from shared.domain.signal import Signal
from shared.domain.symbol import Symbol
from shared.venues.port import VenueOrder


@dataclass(frozen=True, slots=True)
class Told:
    """How much of an order the signals have told: base executed, and what it cost."""

    size: Quantity
    cost: Money


class MasterBook:
    """Positions by symbol and tellings by the venue's order id, of one venue. Empty until signals are noted."""

    def __init__(self, venue: str, recorded: Mapping[Symbol, Position], signals: Iterable[Signal] = ()) -> None:
        """`recorded` is the positions hash; `signals` the stream, oldest first."""
        self._venue = venue
        self._positions: dict[Symbol, Position] = {}
        self._told: dict[str, Told] = {}
        self.newest_fill: int | None = None
        """When the newest fill that was told happened (epoch ms)."""
        for signal in signals:
            self.note(signal)
        for symbol, position in recorded.items():
            known = self._positions.get(symbol)
            if known is None or position.updated_at >= known.updated_at:
                self._positions[symbol] = position

    def position(self, symbol: Symbol) -> Position:
        """Give what is held of a symbol; an empty position if nothing."""
        return self._positions.get(symbol) or Position.flat(symbol, 0)

    def held(self) -> dict[Symbol, Position]:
        """Give every position that is not empty."""
        return {symbol: position for symbol, position in self._positions.items() if position.size.amount > 0}

    def told(self, order: VenueOrder) -> Told:
        """Say how much of an order has been told."""
        nothing = Told(Quantity(ZERO, order.symbol.base), Money(ZERO, order.symbol.quote))
        return self._told.get(order.venue_order_id, nothing)

    def note(self, signal: Signal) -> Position:
        """Take a signal in that stands in the stream, and give the position after it."""
        if signal.venue != self._venue:
            return self.position(signal.symbol)
        self.newest_fill = max(self.newest_fill or 0, signal.filled_at)
        if signal.master_order_id:
            self._add_telling(signal)
        before = self.position(signal.symbol)
        at = signal.emitted_at
        moved = (
            before.bought(signal.base_size, signal.quote_size, at)
            if signal.kind is Kind.ENTRY
            else before.sold(signal.base_size, at)
        )
        return self.put(replace(moved, size=signal.position_after, updated_at=at))

    def put(self, position: Position) -> Position:
        """Replace what is known of a position's symbol."""
        self._positions[position.symbol] = position
        return position

    def _add_telling(self, signal: Signal) -> None:
        known = self._told.get(signal.master_order_id)
        told = Told(signal.base_size, signal.quote_size)
        if known is not None:
            told = Told(known.size + told.size, known.cost + told.cost)
        self._told[signal.master_order_id] = told
