"""What the stream has shown of each order: its terms from the first row, its fills by their ids, the venue's own sums.

Later rows carry neither pair nor side nor client id, so an order whose first row was not seen stays unknown: its rows are told as
unclear, and REST is asked. An order is whole when the fills that were seen, each counted once, sum up to what the venue says has
filled. Fills only add up, so when they reach the final sum none is missing, in whatever order the rows came.

It must never count a fill twice, call an order whole whose fills or fees are not all known, or open again what has ended.
Sources: KRAKEN.md, K35.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from shared.domain.values.money import ZERO, Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.answers import UNREADABLE
from shared.venues.kraken.streaming import rows
from shared.venues.kraken.streaming.rows import Execution, Fill, Stage, Terms
from shared.venues.kraken.symbols import PairBook
from shared.venues.rows import TradeKind, VenueOrder, VenueOrderStatus
from shared.venues.stream import OrderSeen
from shared.venues.streaming.delivery import Unclear

_MOST_ENDED: Final = 2_000
"""Ended orders that are remembered, for rows that come late or again; those of older ones are unclear."""
_MOST_OPEN: Final = 20_000
_ROUNDING: Final = Decimal("0.0001")
"""By how much, relatively, the venue's sum of the costs may differ from ours: both are rounded."""


@dataclass(slots=True)
class _Known:
    """One order."""

    venue_order_id: str
    intact: bool
    """Whether every row since its first one was seen, in order."""
    terms: Terms | None = None
    symbol: Symbol | None = None
    fills: dict[str, Fill] = field(default_factory=dict)
    size: Decimal | None = None
    resized: bool = False
    filled: Decimal | None = None
    """The highest sum that the venue has named."""
    final: Decimal | None = None
    """The sum that it named when the order had ended."""
    final_cost: Decimal | None = None
    stage: Stage = Stage.OPEN
    closed_at: int | None = None
    reason: str = ""
    contradiction: str = ""

    def take(self, row: Execution) -> None:
        """Add what a row says."""
        if row.terms is not None and self.terms is None:
            self.terms = row.terms
        elif row.terms is not None and self.terms is not None and _differ(row.terms, self.terms):
            self.contradiction = "two rows name different terms"
        if row.client_order_id and self.terms is not None and not self.terms.client_order_id:
            self._name(row.client_order_id)
        if row.on_margin and self.terms is not None and self.terms.trade is TradeKind.SPOT:
            self.contradiction = "margin that its first row does not name"
        if row.fill is not None:
            self._take_fill(row.fill)
        self._take_sums(row)
        if row.stage is not Stage.OPEN:
            self._end(row)

    def _take_fill(self, fill: Fill) -> None:
        known = self.fills.setdefault(fill.id, fill)
        if (known.size, known.cost) != (fill.size, fill.cost):
            self.contradiction = "one fill with two contents"
        elif known.fees is None:
            self.fills[fill.id] = fill
        elif fill.fees not in {None, known.fees}:
            self.contradiction = "one fill with two fees"

    def _take_sums(self, row: Execution) -> None:
        if row.size is not None:
            self.resized = self.resized or row.resized or (self.size is not None and self.size != row.size)
            self.size = row.size
        self.resized = self.resized or row.resized
        if row.filled is not None:
            self.filled = max(row.filled, self.filled or ZERO)

    def _end(self, row: Execution) -> None:
        if self.stage is not Stage.OPEN and row.stage is not self.stage:
            self.contradiction = "it ended in two ways"
        if self.stage is Stage.OPEN:
            self.stage, self.closed_at = row.stage, row.at
        self.closed_at = max(row.at, self.closed_at or 0)
        self.reason = row.reason or self.reason
        if row.filled is not None and row.filled >= (self.final or ZERO):
            self.final, self.final_cost = row.filled, row.cost if row.cost is not None else self.final_cost

    def _name(self, client_order_id: str) -> None:
        known = self.terms
        if known is not None:
            self.terms = Terms(client_order_id, known.pair, known.side, known.trade, known.opened_at)

    def seen(self) -> OrderSeen | Unclear:
        """Return what is to be told."""
        if self.terms is None or self.symbol is None:
            return Unclear(
                self.venue_order_id, "its first row was not seen" if self.terms is None else "an unknown pair"
            )
        size = sum((fill.size for fill in self.fills.values()), ZERO)
        if self._exceeds(size):
            self.contradiction = "more fills than the venue's sum"
        if self.contradiction:
            return Unclear(self.venue_order_id, self.contradiction)
        cost = sum((fill.cost for fill in self.fills.values()), ZERO)
        asset, fee = _fee(self.fills.values(), self.symbol)
        ended = self.stage is not Stage.OPEN
        order = VenueOrder(
            venue_order_id=self.venue_order_id,
            client_order_id=self.terms.client_order_id,
            symbol=self.symbol,
            side=self.terms.side,
            status=VenueOrderStatus.DONE if ended else VenueOrderStatus.OPEN,
            filled=Quantity(size, self.symbol.base),
            cost=Money(cost, self.symbol.quote),
            fee=fee or ZERO,
            fee_asset=asset,
            opened_at=self.terms.opened_at,
            closed_at=self.closed_at,
            reason=self.reason,
            trade=self.terms.trade,
        )
        whole = fee is not None and self.terms.trade is not TradeKind.SIZED_IN_QUOTE and self._adds_up(size, cost)
        return OrderSeen(order, whole, max((fill.at for fill in self.fills.values()), default=None))

    def _exceeds(self, size: Decimal) -> bool:
        return (self.final is not None and size > self.final) or (
            self.final is not None and self.filled is not None and self.filled > self.final
        )

    def _adds_up(self, size: Decimal, cost: Decimal) -> bool:
        if self.stage is Stage.OPEN:
            return self.intact and self.filled is not None and size == self.filled
        if self.final is not None:
            close = self.final_cost is None or abs(self.final_cost - cost) <= max(cost, self.final_cost) * _ROUNDING
            return size == self.final and close
        # No sum of the venue: what was asked for is the sum, if it was filled and never changed.
        filled = self.stage is Stage.FILLED and self.intact and not self.resized
        return filled and self.size is not None and size == self.size


def _differ(one: Terms, other: Terms) -> bool:
    return (one.pair, one.side) != (other.pair, other.side) or (
        one.client_order_id != other.client_order_id and bool(one.client_order_id and other.client_order_id)
    )


def _fee(fills: Iterable[Fill], symbol: Symbol) -> tuple[str, Decimal | None]:
    """Return asset and sum of the fees; None for a sum that is not one amount of base or quote, or not known."""
    sums: dict[str, Decimal] = {}
    for fill in fills:
        if fill.fees is None:
            return symbol.quote, None
        for asset, amount in fill.fees:
            if amount != 0:
                sums[asset] = sums.get(asset, ZERO) + amount
    if not sums:
        return symbol.quote, ZERO
    ((asset, amount), *others) = sums.items()
    if others or asset not in {symbol.base, symbol.quote}:
        return symbol.quote, None
    return asset, amount


class OrderTable:
    """The orders of one account."""

    def __init__(self) -> None:
        self._open: dict[str, _Known] = {}
        self._ended: dict[str, _Known] = {}
        self.left_out: dict[str, str] = {}
        """Why rows of the last message were not read, by their order's id."""

    def doubt(self) -> None:
        """Record that rows may have been lost or come in another order: only the venue's final sums prove anything now."""
        for known in self._open.values():
            known.intact = False

    def snapshot(self, book: PairBook, data: Iterable[Any]) -> None:
        """Take the snapshot of a connection: the open orders and the last fills. What it says is for later rows.

        Who reads compares by REST after it, so nothing is told of it; an open order that it does not have has ended meanwhile.
        """
        read: dict[str, list[Execution]] = {}
        self.left_out = {}
        for row in data:
            try:
                each = rows.execution(book.names, row, snapshot=True)
            except UNREADABLE as error:
                self._leave_out(row, error)
            else:
                read.setdefault(each.venue_order_id, []).append(each)
        opened = {name for name, of in read.items() if any(each.terms and each.stage is Stage.OPEN for each in of)}
        unread = self.left_out.keys()
        self._open = {name: known for name, known in self._open.items() if name in opened and name not in unread}
        for name in opened - unread - self._ended.keys():
            known = self._open.setdefault(name, _Known(name, intact=True))
            for each in read[name]:
                self._take(book, known, each)
            sums = known.filled is not None and known.filled == sum((fill.size for fill in known.fills.values()), ZERO)
            known.intact = sums and not known.contradiction

    def update(self, book: PairBook, data: Iterable[Any]) -> list[OrderSeen | Unclear]:
        """Take the rows of one message; return what is to be told: one event for each order, after its last row."""
        touched: dict[str, _Known] = {}
        self.left_out = {}
        for row in data:
            try:
                each = rows.execution(book.names, row, snapshot=False)
            except UNREADABLE as error:
                self._leave_out(row, error)
                continue
            known = self._known(each)
            self._take(book, known, each)
            self._file(known)
            touched[known.venue_order_id] = known
        told: list[OrderSeen | Unclear] = [Unclear(name, why) for name, why in self.left_out.items()]
        told += [known.seen() for name, known in touched.items() if name not in self.left_out]
        return told

    def _known(self, row: Execution) -> _Known:
        name = row.venue_order_id
        return self._open.get(name) or self._ended.get(name) or _Known(name, intact=row.terms is not None)

    @staticmethod
    def _take(book: PairBook, known: _Known, row: Execution) -> None:
        known.take(row)
        if known.symbol is None and known.terms is not None:
            known.symbol = book.symbol(known.terms.pair)

    def _leave_out(self, row: Any, error: Exception) -> None:
        """Record a row that could not be read, and stop trusting its order: the row may have been a fill."""
        try:
            name = rows.order_id(row)
        except UNREADABLE:
            name = ""
        self.left_out[name] = f"a row cannot be read ({type(error).__name__})"
        if (known := self._open.get(name)) is not None:
            known.intact = False

    def _file(self, known: _Known) -> None:
        name = known.venue_order_id
        if known.stage is Stage.OPEN:
            self._open[name] = known
            _shorten(self._open, _MOST_OPEN)
        else:
            self._open.pop(name, None)
            self._ended[name] = known
            _shorten(self._ended, _MOST_ENDED)


def _shorten(table: dict[str, _Known], most: int) -> None:
    while len(table) > most:
        del table[next(iter(table))]


def pairs_of(data: Iterable[Any]) -> set[str]:
    """Return the names of the pairs of some rows."""
    return {pair for row in data if (pair := rows.pair_of(row))}
