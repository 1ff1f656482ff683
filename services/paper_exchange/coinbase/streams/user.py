"""The channel `user`: the open orders of one portfolio, then every change of its orders in the moment in which it happens.

The core tells of an order while it is being placed, before the venue has decided what it shows of it (pending, failed, fills
that come late). So what is heard of an order that is not known yet is kept until its placement is complete, in the same call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.orders.placed import Placed
from services.paper_exchange.coinbase.portfolios import Portfolio
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.coinbase.streams.outbox import ConnectionOutbox
from services.paper_exchange.coinbase.streams.rows import NO_POSITIONS, Moment, is_open, order_row
from services.paper_exchange.coinbase.streams.schedule import Schedule
from services.paper_exchange.core.account import Transfer
from services.paper_exchange.core.events import Change
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.order import Order, Trade

USER: Final = "user"
BATCH: Final = 50
"""Rows of a batch of the snapshot; the first batch with fewer is the last (docs.cdp.coinbase.com, user channel)."""


class UserChannel:
    """One subscription of a connection. `products` are canonical ids; none are all."""

    def __init__(self, out: ConnectionOutbox, schedule: Schedule, exchange: Exchange, portfolio: Portfolio) -> None:
        self.portfolio = portfolio
        self._out = out
        self._schedule = schedule
        self._exchange = exchange
        self._products: set[str] = set()
        self._sent: dict[str, Shape] = {}
        """The last row of every order that is not shown as ended."""
        self._unplaced: dict[str, list[Moment]] = {}
        """The fills of orders whose placement is not complete yet."""
        portfolio.account.listeners.append(self)
        portfolio.listeners.append(self)

    @property
    def names(self) -> list[str]:
        """Return what the acknowledgement lists: for this channel the user's id (recorded)."""
        return [self.portfolio.user_id]

    def add(self, product_ids: Iterable[str]) -> None:
        """Subscribe to products, and send the snapshot."""
        wanted = {PRODUCTS[each].canonical_id for each in product_ids}
        self._products = self._products | wanted if wanted else set()
        self._send_snapshot()

    def remove(self, product_ids: Iterable[str]) -> bool:
        """Unsubscribe from products, or from all. Return whether some are left."""
        gone = {PRODUCTS[each].canonical_id for each in product_ids}
        if not gone or not self._products:
            return bool(gone)  # from all products none can be taken (assumed)
        self._products -= gone
        return bool(self._products)

    def close(self) -> None:
        """Stop listening."""
        self.portfolio.account.listeners.remove(self)
        self.portfolio.listeners.remove(self)

    def order_changed(self, order: Order, change: Change, _trade: Trade | None) -> None:
        """Send the row of an order that has changed."""
        if change is Change.TRADED:
            if order.remaining <= 0:
                return  # its end follows in the same call, and has the fill in it
            if self._out.strikes("stream_two_fills_in_one_row", USER):
                return
        placed = self.portfolio.placed.get(order.id)
        if placed is not None:
            self._show(placed, self._moment(order))
        elif change is Change.TRADED:
            self._unplaced.setdefault(order.id, []).append(self._moment(order))

    def funds_moved(self, transfer: Transfer) -> None:
        """Ignore transfers: the channel has none."""

    def order_placed(self, placed: Placed) -> None:
        """Send the rows of a new order: taken, then its fills one by one, then as it is now; or less, where less is shown."""
        order, now = placed.order, self._exchange.clock.now()
        fills = self._unplaced.pop(order.id, [])
        if order.visible_from <= now:
            self._send(placed, order_row(self.portfolio, placed, self._moment(order), now, accepted=True))
            if placed.shows_fills(now):
                for moment in fills:
                    if moment.filled < order.filled:
                        self._show(placed, moment)
        self._show(placed, self._moment(order))
        self._show_later(placed)

    def _send_snapshot(self) -> None:
        now = self._exchange.clock.now()
        rows = []
        for placed in reversed(list(self.portfolio.placed.values())):
            self._show_later(placed)
            if placed.order.visible_from > now or not self._wanted(placed):
                continue
            row = order_row(self.portfolio, placed, self._moment(placed.order), now)
            if is_open(row):
                self._sent[placed.order.id] = row
                rows.append(row)
        for batch in self._batches(rows):
            self._out.reply(USER, {"type": "snapshot", "orders": batch, "positions": NO_POSITIONS})

    def _batches(self, rows: list[Shape]) -> list[list[Shape]]:
        batches = [rows[first : first + BATCH] for first in range(0, len(rows) + 1, BATCH)]
        if self._out.strikes("stream_snapshot_in_batches", USER):
            last = batches.pop()
            half = (len(last) + 1) // 2
            batches += [last[:half], last[half:]]
        return batches

    def _show_later(self, placed: Placed) -> None:
        """Show an order again when a fault, or its being pending, hides less of it."""
        now = self._exchange.clock.now()
        for at in {placed.pending_until, placed.fills_from, placed.order.visible_from}:
            if at > now:
                self._exchange.timers.at(at, lambda: self._show_again(placed))
                self._schedule.after(at - now, self._exchange.catch_up)

    def _show_again(self, placed: Placed) -> None:
        if self in self.portfolio.listeners:
            self._show(placed, self._moment(placed.order))

    def _show(self, placed: Placed, moment: Moment) -> None:
        now = self._exchange.clock.now()
        if placed.order.visible_from <= now:
            self._send(placed, order_row(self.portfolio, placed, moment, now))

    def _send(self, placed: Placed, row: Shape) -> None:
        if not self._wanted(placed) or self._sent.get(placed.order.id) == row:
            return
        if is_open(row):
            self._sent[placed.order.id] = row
        else:
            self._sent.pop(placed.order.id, None)
        self._out.update(USER, {"type": "update", "orders": [row], "positions": NO_POSITIONS})

    def _wanted(self, placed: Placed) -> bool:
        return not self._products or PRODUCTS[placed.product_id].canonical_id in self._products

    def _moment(self, order: Order) -> Moment:
        return Moment.of(order, self._exchange.settlement, self._exchange.clock.now())
