"""Rebuilds an account's books from the venue's own record, when an operator requests it and Redis has lost them.

The record and report of each order of Shoal's kind are written again, so that a repeated decision about it is not executed and
the audit knows it. Positions and the mark that lets the account trade again are written last, in one step: an interrupted
rebuilding is repeated with the same result. Nothing is traded here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.books.lost_books import CopiedHoldings, read_copied_holdings
from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import ReportMessage
from shared.contracts.position_record import write_position
from shared.contracts.rebuilding import RebuildAnswer, RebuildMode, RebuildRequest, held_text
from shared.domain.funds import Funds, FundsMark
from shared.domain.order import Kind, OrderState, Side, report_id
from shared.execution.totals import LegTotals, quote_fee
from shared.venues.errors import VenueError
from shared.venues.port import Venue, VenueOrder

_REQUEST_AGE_MS: Final = 120_000
"""A request older than this is ignored: it must not be executed when an executor starts days later."""
_REASON: Final = "rebuilt from the exchange's record: Redis had lost its data"

log = structlog.get_logger()


class Rebuilder:
    """Answers an operator's requests about the lost books of one account."""

    def __init__(
        self,
        bus: Bus,
        user: str,
        venue: Venue,
        store: OrderStore,
        account: AccountKeeper,
        funds: Funds,
        clock: Callable[[], int],
        begun: Callable[[FundsMark], None] = lambda _: None,
    ) -> None:
        """`begun` is called with the mark of books that were begun again while others stood."""
        self._bus = bus
        self._user = user
        self._venue = venue
        self._store = store
        self._account = account
        self._funds = funds
        self._clock = clock
        self._begun = begun
        self._answered = 0

    async def round(self) -> None:
        """Execute a request, if there is one and the books are lost. Raises LeaseLost, BusUnavailable."""
        if not self._account.books_lost:
            return
        request = await self._request()
        if request is None or request.rebuild_at <= self._answered:
            return
        if self._clock() - request.rebuild_at > _REQUEST_AGE_MS:
            return
        answer = await self._rebuild(request)
        key = keys.rebuilt(self._user, self._venue.name)
        await self._bus.do("HSET", key, *flatten(answer.fields()))
        self._answered = request.rebuild_at

    async def _request(self) -> RebuildRequest | None:
        names = ("rebuild_at", "rebuild_mode")
        (values,) = await self._bus.do_all([("HMGET", keys.control(self._user), *names)])
        if not isinstance(values, list) or values[0] is None:
            return None
        written = pairs(await self._bus.do("HGETALL", keys.rebuilt(self._user, self._venue.name)))
        asked_at = written.get("asked_at", "")
        self._answered = max(self._answered, int(asked_at) if asked_at.isdigit() else 0)
        fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        try:
            return RebuildRequest.parse(fields)
        except MalformedMessageError:
            return None

    async def _rebuild(self, request: RebuildRequest) -> RebuildAnswer:
        try:
            found = await read_copied_holdings(self._venue, self._clock())
        except VenueError as error:
            return RebuildAnswer(asked_at=request.rebuild_at, at=self._clock(), reason=str(error))
        reason = ""
        if request.rebuild_mode is not RebuildMode.LOOK:
            reason = await self._write(found, empty=request.rebuild_mode is RebuildMode.DISOWN)
        return RebuildAnswer(
            asked_at=request.rebuild_at,
            at=self._clock(),
            orders=len(found.orders),
            held=held_text((str(each.symbol), str(each.size), str(each.cost)) for each in found.positions.values()),
            uncovered=", ".join(sorted(map(str, found.uncovered))),
            written=request.rebuild_mode is not RebuildMode.LOOK and not reason,
            reason=reason,
        )

    async def _write(self, found: CopiedHoldings, *, empty: bool) -> str:
        """Write the books; return why they were not written, or an empty text."""
        if found.open:
            return f"{found.open} of these orders have not ended yet"
        if await self._of_another_account():
            return await self._begin_again(empty=empty)
        if not empty:
            for order in found.orders:
                await self._report(order)
        positions = {} if empty else {str(each.symbol): write_position(each) for each in found.positions.values()}
        if not await self._store.rebuild_books(self._funds, positions):
            return "the books stand already"
        log.warning(
            "books begun anew: the orders at the exchange are nobody's" if empty else "books rebuilt from the exchange",
            user=self._user,
            venue=self._venue.name,
            orders=len(found.orders),
            held="nothing" if empty else str(found),
        )
        return ""

    async def _of_another_account(self) -> bool:
        """Return whether there are books, and they are of another account than the key (`same_account.py`)."""
        return bool(await self._bus.do("HGET", keys.books(self._user, self._venue.name), "other_key"))

    async def _begin_again(self, *, empty: bool) -> str:
        """Begin empty books for the account of the present key; return why not, or an empty text.

        The former account's holdings are on the former account: nothing can sell them from here.
        """
        if not empty:
            return "these books are of another account than the key: --not-ours begins empty ones for this account"
        sent = {OrderState.SENDING, OrderState.ACCEPTED, OrderState.UNKNOWN}
        under_way = {
            name
            for name, fields in (await self._store.open_orders()).items()
            if fields.get("state") in sent and fields.get("venue", self._venue.name) == self._venue.name
        }
        if under_way:
            return (
                f"order {min(under_way)} was sent on the former account and its end is not known: `ops resolve` records what "
                f"became of it"
            )
        mark = await self._store.mark_books(self._funds, clear=True)
        self._begun(mark)
        log.warning("books begun anew: another account", user=self._user, venue=self._venue.name)
        return ""

    async def _report(self, order: VenueOrder) -> None:
        """Write an order's record and report again, from the venue's. The record's id is the leg's: its order is not known."""
        tally = LegTotals.nothing(order.symbol).plus(order)
        ended_at = order.closed_at or order.opened_at
        traded = order.filled.amount > 0
        report = ReportMessage.of(
            id=report_id(order.client_order_id),
            order_id=order.client_order_id,
            signal_id="",
            user=self._user,
            venue=self._venue.name,
            symbol=order.symbol,
            side=order.side,
            kind=Kind.ENTRY if order.side is Side.BUY else Kind.EXIT,
            outcome=OrderState.FILLED if traded else OrderState.EXPIRED,
            reason=_REASON,
            venue_order_id=order.venue_order_id,
            filled_size=order.filled.amount,
            average_price=order.average_price.shown() if order.average_price else None,
            fee=quote_fee(order).amount,
            **tally.report_fields(),
            signal_at=order.opened_at,
            sent_at=order.opened_at,
            accepted_at=order.opened_at,
            settled_at=ended_at,
        )
        fields = {
            "id": order.client_order_id,
            "user": self._user,
            "venue": self._venue.name,
            "symbol": str(order.symbol),
            "side": str(order.side),
            "client_order_id": order.client_order_id,
            "venue_order_id": order.venue_order_id,
            "reason": _REASON,
            "settled_at": str(ended_at),
            **tally.fields(),
        }
        await self._store.settle(report, entry_id="", fields=fields)
