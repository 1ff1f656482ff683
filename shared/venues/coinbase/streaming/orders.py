"""What the stream has shown of each order of a Coinbase account: the newest of its cumulative rows.

A row's sums may lag behind its status, as REST's do (C14), and fills are the truth. So an order is whole only if it has ended
with all that it asked for, in sums that fit one another: its size is known from a row while it was open. Everything that ended
with less is asked for by REST.

It must never let a sum fall, open again what has ended, or take a canonical product for the order's own. Sources: COINBASE.md,
C14 and C22 to C28.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shared.domain.values.money import ZERO, Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.answers import UNREADABLE
from shared.venues.coinbase.parse import symbol_of
from shared.venues.coinbase.streaming.products import OrderProducts
from shared.venues.coinbase.streaming.rows import UserRow, order_id_of, user_row
from shared.venues.rows import VenueOrder, VenueOrderStatus
from shared.venues.stream import OrderSeen
from shared.venues.streaming.delivery import Unclear

_MOST: Final = 10_000
"""Orders that are remembered; a row of a forgotten one is not whole."""


@dataclass(slots=True)
class _Known:
    """One order."""

    newest: UserRow
    size: Decimal | None = None
    resized: bool = False
    filled_at: int | None = None
    closed_at: int | None = None
    contradiction: str = ""

    def take(self, row: UserRow, at: int, *, told: bool) -> None:
        """Add a row that came at `at` (epoch ms, the venue's time); `told` is False for one of a snapshot."""
        before = self.newest
        if (row.product_id, row.side, row.client_order_id) != (before.product_id, before.side, before.client_order_id):
            self.contradiction = "two rows name different terms"
        if row.size is not None:
            self.resized = self.resized or (self.size is not None and self.size != row.size)
            self.size = row.size
        if row.ended and before.ended and row.status != before.status:
            self.contradiction = "it ended in two ways"
        if row.filled < before.filled or (before.ended and not row.ended):
            if row.ended and not before.ended:
                self.contradiction = "it ended with less than it had"
            return
        if row.filled > before.filled and told:
            self.filled_at = at
        if row.ended:
            self.closed_at = at if self.closed_at is None else self.closed_at
        self.newest = row


class OrderTable:
    """The orders of one account. `is_ambiguous` returns whether a product id may stand for an alias."""

    def __init__(self, products: OrderProducts, is_ambiguous: Callable[[str], bool]) -> None:
        self._products = products
        self._is_ambiguous = is_ambiguous
        self._orders: dict[str, _Known] = {}
        self.left_out: dict[str, str] = {}
        """Why rows of the last message were not read, by their order's id."""

    def snapshot(self, data: Iterable[Any], at: int) -> None:
        """Take open orders as they were when the connection began; nothing is told of them."""
        self._take(data, at, told=False)

    def update(self, data: Iterable[Any], at: int) -> list[OrderSeen | Unclear]:
        """Take the rows of one message; return one event for each order."""
        touched = self._take(data, at, told=True)
        told: list[OrderSeen | Unclear] = [Unclear(name, why) for name, why in self.left_out.items()]
        told += [self._seen(known) for name, known in touched.items() if name not in self.left_out]
        return told

    def _take(self, data: Iterable[Any], at: int, *, told: bool) -> dict[str, _Known]:
        touched: dict[str, _Known] = {}
        self.left_out = {}
        for each in data:
            try:
                row = user_row(each)
            except UNREADABLE as error:
                self.left_out[order_id_of(each)] = f"a row cannot be read ({type(error).__name__})"
                continue
            known = self._orders.get(row.order_id)
            if known is None:
                known = self._orders[row.order_id] = _Known(row, row.size)
                known.filled_at = at if row.filled and told and row.ended else None
                known.closed_at = at if row.ended else None
            else:
                known.take(row, at, told=told)
            touched[row.order_id] = known
        while len(self._orders) > _MOST:
            del self._orders[next(iter(self._orders))]
        return touched

    def _seen(self, known: _Known) -> OrderSeen | Unclear:
        row = known.newest
        symbol = self._symbol(row)
        if known.contradiction or symbol is None:
            return Unclear(row.order_id, known.contradiction or f"{row.product_id} may stand for another product")
        order = VenueOrder(
            venue_order_id=row.order_id,
            client_order_id=row.client_order_id,
            symbol=symbol,
            side=row.side,
            status=VenueOrderStatus.DONE if row.ended else VenueOrderStatus.OPEN,
            filled=Quantity(row.filled, symbol.base),
            cost=Money(row.cost, symbol.quote),
            fee=row.fee or ZERO,
            fee_asset=symbol.quote,
            opened_at=row.opened_at,
            closed_at=known.closed_at,
            reason=row.reason,
            trade=row.trade,
            refusal=row.refusal,
        )
        whole = row.ended and row.agrees and 0 < row.filled == known.size and not known.resized
        return OrderSeen(order, whole, known.filled_at)

    def _symbol(self, row: UserRow) -> Symbol | None:
        product = self._products.of(row.order_id, row.client_order_id)
        if product is None and self._is_ambiguous(row.product_id):
            return None
        try:
            return symbol_of(product or row.product_id)
        except UNREADABLE:
            return None  # a product of another kind: REST says which
