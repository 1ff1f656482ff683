"""The orders of one account as Coinbase lists them: one, all open ones, those that ended, one by its client order id.

No one list has every order: the window of the list of orders is by creation, the list of open ones leaves out those that are
PENDING or QUEUED, and no server filters by client id. So lists are united here, all their pages, and compared with the fills.

It must never answer "no such order" for a call that failed or a row that could not be read, nor "ended" for an order whose fills
say more than its sums, or whose sums may still rise. Sources: COINBASE.md, C12 to C15, C19.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import structlog

from shared.venues.coinbase import order_rows, parse
from shared.venues.coinbase.order_rows import Filled
from shared.venues.coinbase.questions import Questions, Row
from shared.venues.coinbase.streaming.products import OrderProducts
from shared.venues.coinbase.transport import Query
from shared.venues.errors import Unavailable
from shared.venues.row_log import RowLog
from shared.venues.rows import OmittedRow, OrderList, RowReason, VenueOrder, VenueOrderStatus
from shared.venues.venue_clock import VenueTime

_ORDERS: Final = "/orders/historical/batch"
_FILLS: Final = "/orders/historical/fills"
_SLACK: Final = 60_000
"""Ms by which searches begin earlier than asked: `start_date` is inclusive, and instants of ours are estimates."""
_RECENT: Final = 3_600_000
"""Ms: an order is not PENDING or QUEUED for longer, so older ones are in the list of open orders, and not the whole history is
read for each question (C13)."""
_LATELY: Final = 600_000
"""Ms within which a search that need not be a proof looks."""
_SETTLES_IN: Final = 3_000
"""Ms after which the sums of an order that ended with less than it asked for are final. As long as a fresh order can be missing;
nothing of it is published (C14, C19)."""
_BETWEEN_SCANS: Final = 1.0
"""Seconds between the two empty scans that prove an absence."""
_IDS: Final = 50
"""Orders named in one call, so that the URL stays short."""
_PAGE: Final = 100
"""Rows asked for at once: what is sent without a limit, and the highest one, are not published (C13)."""

_log = structlog.get_logger(__name__)


class OrderHistory:
    """The lookups of orders. Raises Unavailable and Rejected."""

    def __init__(self, questions: Questions, rows: RowLog, products: OrderProducts, *, clock: VenueTime) -> None:
        """`products` learns the product of each order that is listed."""
        self._questions = questions
        self._rows = rows
        self._products = products
        self._clock = clock

    async def row(self, venue_order_id: str) -> Row:
        """Return the venue's row of one order. Raises Rejected(GONE) where there is none."""
        answer = await self._questions.ask(f"/orders/historical/{quote(venue_order_id, safe='')}")
        row = answer.get("order")
        if not isinstance(row, dict) or row.get("order_id") != venue_order_id:
            self._questions.doubt()
            raise Unavailable("the answer does not contain the order that was asked for")
        self._products.listed(row)
        return row

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Return one order; see the port."""
        row = await self.row(venue_order_id)
        read = order_rows.order(row)
        if isinstance(read, OmittedRow):
            raise Unavailable(f"an order could not be read: {read.detail}")
        if order_rows.is_whole(row, read.filled.amount):
            return read
        return await self._with_all_fills(self._settled(row, read))

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Search the lists; see the port. With `since` twice, the second time also behind the fills, before it answers None."""
        start = (self._clock() - _LATELY if since is None else since) - _SLACK
        found = await self._search(client_order_id, start)
        if found is None and since is not None:
            await asyncio.sleep(_BETWEEN_SCANS)
            found = await self._search(client_order_id, start, fills=True)
        return None if found is None else await self._with_all_fills(found)

    async def open_orders(self) -> OrderList:
        """Return the orders listed as open, of any age, and fresh ones that a list of open orders leaves out."""
        rows = await self._pages({"order_status": ["OPEN"]})
        rows += await self._created_since(self._clock() - _RECENT)
        read = self._read(rows)
        return OrderList((each for each in read if each.status is VenueOrderStatus.OPEN), read.left_out)

    async def closed_orders(self, *, since: int) -> OrderList:
        """Return ended orders, filled or not, oldest first; see the port.

        The union of what was created since, what was changed since (an old order that is cancelled now), and what filled since.
        """
        start = since - _SLACK
        rows = await self._created_since(start)
        rows += await self._pages({"sort_by": "LAST_UPDATE_TIME"}, until=start)
        filled, strange = await self._filled_since(start)
        rows += await self._missing(filled, rows)
        read = self._read(rows)
        late = [each for each in read if (of := filled.get(each.venue_order_id)) and order_rows.exceed(of, each)]
        left_out = [*read.left_out, *_of_others(strange, rows), *_not_shown(filled, rows), *map(_late, late)]
        left_out += [
            _unsettled(each) for each in read if each.status is VenueOrderStatus.OPEN and each.closed_at is not None
        ]
        ended = [
            _ended(each, filled.get(each.venue_order_id))
            for each in reversed(read)
            if each.status is VenueOrderStatus.DONE and each not in late
        ]
        fresh = sorted(
            (each for each in ended if _closed(each) >= since), key=lambda each: (_closed(each), each.opened_at)
        )
        return OrderList(fresh, (each for each in left_out if each.at is None or each.at >= since))

    async def _with_all_fills(self, order: VenueOrder) -> VenueOrder:
        """Return an order as it is, or as open if its fills sum up to more than it says."""
        if order.status is not VenueOrderStatus.DONE:
            return order
        filled, _ = await self._fills({"order_ids": [order.venue_order_id]})
        if (mine := filled.get(order.venue_order_id)) is not None and order_rows.exceed(mine, order):
            return replace(order, status=VenueOrderStatus.OPEN)
        return order

    def _settled(self, row: Row, order: VenueOrder) -> VenueOrder:
        """Return an order as it is, or as open if it ended so lately, with less than it asked for, that its sums may rise."""
        if order.closed_at is None or not order_rows.may_rise(row, order.filled.amount):
            return order
        if self._clock.earliest() >= order.closed_at + _SETTLES_IN:
            return order
        return replace(order, status=VenueOrderStatus.OPEN)

    async def _search(self, client_order_id: str, start: int, *, fills: bool = False) -> VenueOrder | None:
        rows = await self._created_since(start)
        left_out: list[OmittedRow] = []
        if fills:
            filled, strange = await self._filled_since(start)
            rows += await self._missing(filled, rows)
            left_out = [*_of_others(strange, rows), *_not_shown(filled, rows)]
        read = self._read(rows)
        found = [order for order in read if order.client_order_id == client_order_id]
        if not found:
            for each in (*read.left_out, *left_out):
                if each.may_be(client_order_id):
                    raise Unavailable(f"cannot tell whether Coinbase has the order: {each.detail}")
        if len(found) > 1:
            _log.error("one client id, several orders", orders=[order.venue_order_id for order in found])
        return max(found, key=lambda order: (order.filled.amount > 0, order.opened_at), default=None)

    async def _created_since(self, start: int) -> list[Row]:
        return await self._pages({"start_date": _rfc3339(start)})

    async def _filled_since(self, start: int) -> tuple[dict[str, Filled], list[OmittedRow]]:
        return await self._fills({"start_sequence_timestamp": _rfc3339(start)})

    async def _fills(self, query: Query) -> tuple[dict[str, Filled], list[OmittedRow]]:
        rows = await self._questions.pages(_FILLS, "fills", {**query, "limit": _PAGE})
        with parse.readable("fills"):
            filled, strange = order_rows.fills(rows)
        self._rows.note("fills", {each.row_id: f"{each.reason}: {each.detail}" for each in strange})
        return filled, strange

    async def _missing(self, filled: Iterable[str], rows: Sequence[Row]) -> list[Row]:
        """Return the rows of orders that have fills and are in none of the lists."""
        found: list[Row] = []
        missing = sorted(set(filled) - _ids(rows))
        for first in range(0, len(missing), _IDS):
            found += await self._pages({"order_ids": missing[first : first + _IDS]})
        return found

    async def _pages(self, query: Query, *, until: int | None = None) -> list[Row]:
        return await self._questions.pages(_ORDERS, "orders", {**query, "limit": _PAGE}, until=until)

    def _read(self, rows: Sequence[Row]) -> OrderList:
        """Parse rows, each order once: one that is in several lists is taken from the last, which was read last."""
        with parse.readable("orders"):
            newest = {
                str(row.get("order_id") if isinstance(row, dict) else number): row for number, row in enumerate(rows)
            }
            read = order_rows.orders(list(newest.values()))
        for row in newest.values():
            self._products.listed(row)
        self._rows.note("orders", {each.row_id: f"{each.reason}: {each.detail}" for each in read.left_out})
        return OrderList((self._settled(newest[each.venue_order_id], each) for each in read), read.left_out)


def _ids(rows: Sequence[Row]) -> set[str]:
    return {str(row.get("order_id")) for row in rows if isinstance(row, dict)}


def _of_others(strange: Iterable[OmittedRow], rows: Sequence[Row]) -> list[OmittedRow]:
    """Return the unreadable fills of orders that are not shown: those of the others are in the sums of their orders."""
    shown = _ids(rows)
    return [each for each in strange if each.row_id not in shown]


def _not_shown(filled: Mapping[str, Filled], rows: Sequence[Row]) -> list[OmittedRow]:
    """Return a row for each order that has fills and is not shown itself: it may be any order."""
    shown = _ids(rows)
    return [
        OmittedRow(order_id, RowReason.UNREADABLE, "an order that has fills is not shown itself", at=of.at)
        for order_id, of in filled.items()
        if order_id not in shown
    ]


def _late(order: VenueOrder) -> OmittedRow:
    words = "its fills sum up to more than it says"
    return OmittedRow(order.venue_order_id, RowReason.UNREADABLE, words, order.client_order_id)


def _unsettled(order: VenueOrder) -> OmittedRow:
    words = "it has ended, and its sums may still rise"
    return OmittedRow(order.venue_order_id, RowReason.UNSETTLED, words, order.client_order_id, order.closed_at)


def _ended(order: VenueOrder, filled: Filled | None) -> VenueOrder:
    """Return an order that ended no earlier than its last fill."""
    return order if filled is None else replace(order, closed_at=max(_closed(order), filled.at))


def _closed(order: VenueOrder) -> int:
    return order.opened_at if order.closed_at is None else order.closed_at


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(max(at, 0) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
