"""What the master holds, and how much of each order has been emitted or passed over: a fold over the signals.

The stream is authoritative: the position after the last signal of a symbol. The positions hash is a view of it, and counts only
where it is newer: what was passed over (an entry that was too late, or paid for in another currency) is held all the same, and
the position may have been adjusted to the account (`true_up`).

A position is of a coin, whatever paid for it; it is kept under the symbol in which that coin is copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from services.master_strategy.account.own_positions import OwnPositions
from services.master_strategy.fills.fills import Emitted, average_price
from shared.domain.account import MASTER
from shared.domain.master_account import UncopiedOrder, zero
from shared.domain.order import Kind, Side
from shared.domain.position import Position
from shared.domain.signal import Signal
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.totals import paid_fee
from shared.venues.port import VenueOrder

_RECENT: Final = 100


class MasterBook:
    """Positions by symbol and emitted amounts by the venue's order id, of one venue. Empty until signals are noted."""

    def __init__(
        self,
        venue: str,
        recorded: Mapping[Symbol, Position],
        signals: Iterable[Signal] = (),
        *,
        uncopied: Mapping[str, UncopiedOrder] | None = None,
        own: OwnPositions | None = None,
        owner: str = MASTER,
    ) -> None:
        """`recorded` is the positions hash, `signals` the stream (oldest first), `uncopied` what was passed over."""
        self._venue = venue
        self._owner = owner
        self._positions: dict[Symbol, Position] = {}
        self._emitted: dict[str, Emitted] = {}
        self._last: dict[Symbol, Signal] = {}
        self._moved: dict[str, int] = {}
        self._gained: dict[str, int] = {}
        self.recent: deque[Signal] = deque(maxlen=_RECENT)
        """The latest signals, newest first."""
        self.uncopied: dict[str, UncopiedOrder] = dict(uncopied or {})
        self.own = own or OwnPositions()
        """What the strategies bought themselves."""
        self.under_way: set[Symbol] = set()
        """Symbols in which the strategy has an order whose end is not known yet."""
        self.newest_fill: int | None = None
        """When the newest emitted fill happened (epoch ms)."""
        for signal in signals:
            self.note(signal)
        for row in self.uncopied.values():
            if row.size is not None:
                self.note_move(row.size.asset, row.at, gained=row.side is Side.BUY)
        for symbol, position in recorded.items():
            known = self._positions.get(symbol)
            if known is None or position.updated_at >= known.updated_at:
                self._positions[symbol] = position

    def position(self, symbol: Symbol) -> Position:
        """Return what is held of a symbol; an empty position if nothing."""
        return self._positions.get(symbol) or Position.flat(symbol, 0)

    def held(self) -> dict[Symbol, Position]:
        """Return every position that is not empty."""
        return {symbol: position for symbol, position in self._positions.items() if position.size.amount > 0}

    def size_of(self, coin: str) -> Quantity:
        """Return what is held of a coin, under all its symbols."""
        return sum((each.size for each in self._of(coin)), zero(coin))

    def symbol_of(self, coin: str, currency: str) -> Symbol:
        """Return the symbol in which a coin is copied: the one that it is held as, else the one in `currency`."""
        usual = Symbol(coin, currency)
        held = [each.symbol for each in self._of(coin) if each.size.amount > 0] or self.open_symbols(coin)
        return usual if usual in held or not held else held[0]

    def open_symbols(self, coin: str) -> list[Symbol]:
        """Return the symbols of a coin in which users may hold something: by the last signal, the master does."""
        copied = [
            symbol for symbol, last in self._last.items() if symbol.base == coin and last.position_after.amount > 0
        ]
        beyond = [each.symbol for each in self._of(coin) if each.symbol not in self._last and each.size.amount > 0]
        return sorted([*copied, *beyond], key=str)

    def copied(self, symbol: Symbol) -> Quantity:
        """Return the position after the last signal."""
        last = self._last.get(symbol)
        return self.position(symbol).size if last is None else last.position_after

    def emitted_at(self, symbol: Symbol) -> int:
        """Return when the last signal of a symbol was emitted, or what is recorded of it; it names that position for good."""
        last = self._last.get(symbol)
        return self.position(symbol).updated_at if last is None else last.emitted_at

    def last_price(self, symbol: Symbol) -> Price | None:
        """Return the price of the last signal of a symbol."""
        last = self._last.get(symbol)
        return None if last is None else last.price

    def paid(self, symbol: Symbol) -> Price | None:
        """Return the average price of what is held of a symbol; None if that is not known."""
        position = self.position(symbol)
        if position.size.amount <= 0 or position.cost.amount <= 0:
            return None
        return average_price(position.size, position.cost, symbol)

    def coins(self) -> set[str]:
        """Return the coins that are held, or of which users may hold something."""
        copied = {symbol.base for symbol, last in self._last.items() if last.position_after.amount > 0}
        return copied | {symbol.base for symbol in self.held()}

    def moved_at(self, coin: str) -> int:
        """Return when an order of the account last moved a coin, as far as is known (epoch ms; 0: never)."""
        return self._moved.get(coin, 0)

    def gained_at(self, coin: str) -> int:
        """Return when an order last added to a coin."""
        return self._gained.get(coin, 0)

    def emitted(self, order: VenueOrder) -> Emitted:
        """Return how much of an order was emitted or passed over."""
        emitted = self._emitted.get(order.venue_order_id)
        emitted = emitted or Emitted(Quantity(ZERO, order.symbol.base), Money(ZERO, order.symbol.quote))
        if emitted.cost.currency != order.symbol.quote:  # emitted under another symbol of the coin
            emitted = Emitted(emitted.size, Money(ZERO, order.symbol.quote))
        passed = self.uncopied.get(order.venue_order_id)
        if passed is None or passed.size is None or order.filled.amount <= 0:
            return emitted
        part = passed.size.amount / order.filled.amount
        fee = emitted.fee + paid_fee(order).amount * part
        return Emitted(emitted.size + passed.size, emitted.cost + order.cost.scaled(part), fee)

    def note(self, signal: Signal) -> Position:
        """Apply a signal of the stream, and return the position after it."""
        if (signal.owner, signal.venue) != (self._owner, self._venue):
            return self.position(signal.symbol)
        self.newest_fill = max(self.newest_fill or 0, signal.filled_at)
        if signal.master_order_id:
            self._add_emitted(signal)
        before = self.position(signal.symbol)
        at = signal.emitted_at
        moved = (
            before.bought(
                signal.base_size, signal.quote_size if signal.fee is None else signal.quote_size + signal.fee, at
            )
            if signal.kind is Kind.ENTRY
            else before.sold(signal.base_size, at)
        )
        self._last[signal.symbol] = signal
        self.recent.appendleft(signal)
        self.note_move(signal.symbol.base, signal.filled_at, gained=signal.kind is Kind.ENTRY)
        return self.put(replace(moved, size=signal.position_after, updated_at=at))

    def note_move(self, coin: str, at: int, *, gained: bool) -> None:
        """Note that an order has moved a coin: for a while its balance may lag."""
        self._moved[coin] = max(self._moved.get(coin, 0), at)
        if gained:
            self._gained[coin] = max(self._gained.get(coin, 0), at)

    def put(self, position: Position) -> Position:
        """Replace what is known of a position's symbol."""
        self._positions[position.symbol] = position
        return position

    def _of(self, coin: str) -> list[Position]:
        return [position for symbol, position in self._positions.items() if symbol.base == coin]

    def _add_emitted(self, signal: Signal) -> None:
        known = self._emitted.get(signal.master_order_id)
        emitted = Emitted(signal.base_size, signal.quote_size, signal.fee.amount if signal.fee else ZERO)
        if known is not None:
            emitted = Emitted(known.size + emitted.size, known.cost + emitted.cost, known.fee + emitted.fee)
        self._emitted[signal.master_order_id] = emitted
