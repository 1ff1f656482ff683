"""Recognises that Redis has lost an account's books, and derives from the venue's own record what they held.

A new account and one with lost books look alike in Redis: nothing is recorded. At the venue they differ: Shoal's copies have
UUIDs of version 5 as client order ids, which other programs hardly use. That is no proof once the signals are lost too, so an
operator decides (`ops rebuild`); until then nothing is traded, and exits wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

import structlog

from services.executor.account.keys.gates import GateRefusal, subject
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records
from shared.contracts.fields import MalformedMessageError
from shared.domain.fault import FaultKind, Faults
from shared.domain.funds import Funds
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.booking import position_after
from shared.venues.errors import Unavailable
from shared.venues.port import Balance, Venue, VenueOrder, VenueOrderStatus

LOOK_BACK_DAYS: Final = 90
"""How far back the venue's list of orders is read: each page of it costs calls, and a position is seldom held for longer."""
_DAY_MS: Final = 24 * 3600 * 1000
_UUID5: Final = 5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CopiedHoldings:
    """The sum of the orders with Shoal's kind of id: positions as far as the account still has the coins, without dust.

    `uncovered` are the symbols of which more was sold than these orders bought: they began before the list does.
    """

    orders: tuple[VenueOrder, ...]
    positions: Mapping[Symbol, Position]
    uncovered: frozenset[Symbol]
    open: int
    """How many orders have not ended; the sum is only valid at zero."""

    def __str__(self) -> str:
        return ", ".join(str(position.size) for position in self.positions.values()) or "nothing"


def is_ours(client_order_id: str) -> bool:
    """Return whether a client order id is of the kind that Shoal uses for copies."""
    try:
        return UUID(client_order_id).version == _UUID5
    except ValueError:
        return False


def sum_up(
    orders: Iterable[VenueOrder], balances: Mapping[str, Balance], instruments: Mapping[Symbol, Instrument]
) -> CopiedHoldings:
    """Sum the venue's orders, oldest first, into what is held from them; those without an id of Shoal's kind do not count."""
    mine = [order for order in orders if is_ours(order.client_order_id)]
    held: dict[Symbol, Position] = {}
    uncovered = set()
    for order in mine:
        at = order.closed_at or order.opened_at
        before = held.get(order.symbol) or Position.flat(order.symbol, at)
        if order.filled.amount == 0:
            continue
        if order.side is Side.SELL and before.size < order.filled:
            uncovered.add(order.symbol)
        held[order.symbol] = position_after(before, order, at)
    left = {asset: balance.total for asset, balance in balances.items()}
    found = {}
    for symbol, position in sorted(held.items(), key=lambda item: str(item[0])):
        capped = _capped(position, left.get(symbol.base, ZERO))
        left[symbol.base] = left.get(symbol.base, ZERO) - capped.size.amount
        if capped.size.amount > 0 and not _is_dust(capped, instruments):
            found[symbol] = capped
    return CopiedHoldings(
        orders=tuple(mine),
        positions=found,
        uncovered=frozenset(uncovered),
        open=sum(order.status is VenueOrderStatus.OPEN for order in mine),
    )


async def read_copied_holdings(venue: Venue, now: int) -> CopiedHoldings:
    """Read from the venue what the account holds from orders of Shoal's kind. Raises VenueError."""
    since = now - LOOK_BACK_DAYS * _DAY_MS
    # In this order: one that ends in between is in the second list as well, and counts once.
    opened = {order.venue_order_id: order for order in await venue.open_orders()}
    closed = {order.venue_order_id: order for order in await venue.closed_orders(since=since)}
    orders = sorted({**opened, **closed}.values(), key=lambda order: order.closed_at or now)
    balances = await venue.balances()
    found = sum_up(orders, balances, await venue.instruments())
    if unread := sorted({order.symbol.base for order in found.orders} & balances.unreadable):
        raise Unavailable(
            f"the balance of {', '.join(unread)} could not be read: what is held from copying is not known"
        )
    return found


class BooksGate:
    """Refuses while Redis has no record of an account and the venue shows coins that Shoal's orders bought.

    An account without such orders is new: its books are begun, and not questioned again.
    """

    def __init__(
        self,
        user: str,
        venue: Venue,
        records: Records,
        store: OrderStore,
        funds: Funds,
        clock: Callable[[], int],
        faults: Faults,
    ) -> None:
        self._user = user
        self._venue = venue
        self._records = records
        self._store = store
        self._funds = funds
        self._clock = clock
        self._faults = faults
        self._admitted = False
        self._reason = ""

    async def check(self) -> None:
        """Admit the account once it has books. Raises GateRefusal, VenueError, LeaseLost, BusUnavailable."""
        if self._admitted:
            return
        if await self._recorded():
            self._admit()
            return
        if not self._reason:
            found = await read_copied_holdings(self._venue, self._clock())
            self._reason = self._why_lost(found)
        if not self._reason:
            await self._store.mark_books(self._funds, clear=False)
            self._admit()
            return
        if self._faults.report(FaultKind.REDIS, subject(self._user, "books"), self._reason):
            log.error("books are lost", user=self._user, venue=self._venue.name, reason=self._reason)
        raise GateRefusal(self._reason, books_lost=True)

    async def _recorded(self) -> bool:
        try:
            (found,) = await self._records.books([(self._user, self._venue.name)])
        except MalformedMessageError:
            return False
        return found is not None

    def _admit(self) -> None:
        self._admitted = True
        self._faults.clear(FaultKind.REDIS, subject(self._user, "books"))

    def _why_lost(self, found: CopiedHoldings) -> str:
        if not (found.positions or found.uncovered or found.open):
            return ""
        return (
            f"the exchange knows {len(found.orders)} orders of Shoal's kind that Redis does not, and {found} held from them: "
            f"Redis has lost its data; `ops rebuild --user {self._user}` rebuilds the books from the exchange's record, with "
            f"--not-ours it accepts that these orders are nobody's; until then nothing is traded, and exits wait"
        )


def _capped(position: Position, has: Decimal) -> Position:
    """Lower a position to what the account has: its owner may have sold the rest."""
    if position.size.amount <= has:
        return position
    return position.sold(position.size - Quantity(max(has, ZERO), position.size.asset), position.updated_at)


def _is_dust(position: Position, instruments: Mapping[Symbol, Instrument]) -> bool:
    instrument = instruments.get(position.symbol)
    return instrument is not None and position.size.amount < instrument.min_size
