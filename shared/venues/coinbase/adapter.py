"""One Coinbase account: the venue port over the account's lookups and Coinbase's public side.

Coinbase answers a client order id that it knows with the order that has it, and creates nothing: so an order whose answer was
lost is found out by sending the same text again. There is no nonce and no deadline field; the token's end bounds when an order
can arrive, and is written ahead as its deadline.

It must never take `success` for a fill, sign an order for longer than was written ahead, or answer "no such order" or "no
balance" for a call that failed. Sources: COINBASE.md, C2 to C20.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import structlog

from shared.domain.key_report import Finding
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price, plain
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.answers import UNREADABLE, decimal
from shared.venues.coinbase import parse
from shared.venues.coinbase.key_check import KeyExaminer
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.coinbase.questions import Questions, Row
from shared.venues.coinbase.submission import Submission
from shared.venues.coinbase.transport import request_text
from shared.venues.errors import Refusal, Rejected, Unavailable, VenueError
from shared.venues.port import BeginSend, Candle, OrderAck, OrderRequest
from shared.venues.rows import Balances, OmittedRow, OrderList, VenueOrder, VenueOrderStatus
from shared.venues.venue_clock import VenueTime

_ORDERS: Final = "/orders/historical/batch"
_FILLS: Final = "/orders/historical/fills"
_FEE_MAX_AGE: Final = 3_600_000  # ms
_SLACK: Final = 60_000
"""Ms by which searches begin earlier than asked: `start_date` is inclusive, and instants of ours are estimates."""
_RECENT: Final = 3_600_000
"""Ms within which a fresh order has to be to be still PENDING or QUEUED, which a list of open orders leaves out (C13)."""
_LATELY: Final = 600_000
"""Ms within which a search that need not be a proof looks."""
_BETWEEN_SCANS: Final = 1.0
"""Seconds between the two empty scans that prove an absence."""
_IDS: Final = 50
"""Orders named in one call, so that the URL stays short."""
_PAGE: Final = 250

_log = structlog.get_logger(__name__)


class CoinbaseVenue:
    """The account of a key. `public` is shared by all accounts of the process."""

    name: str = VenueName.COINBASE
    visible_after_ms = 3_000
    """Our choice: how long a fresh order may be missing from the lists is published nowhere (C19)."""
    furthest_deadline_ms = 120_000
    """A token lives two minutes at most (C2)."""
    replays = True

    def __init__(
        self, public: CoinbasePublic, questions: Questions, submission: Submission, *, clock: VenueTime
    ) -> None:
        self._public = public
        self._questions = questions
        self._submission = submission
        self._clock = clock
        self._fee: tuple[Decimal, int] = (dearest_taker_fee(VenueName.COINBASE), 0)
        self.order_life_ms = submission.order_life_ms

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Return all spot products, at most ten minutes old while Coinbase answers."""
        return await self._public.instruments()

    async def renames(self) -> Mapping[str, str]:
        """Return nothing: Coinbase lists no former names. A rename is entered by hand (`config/renames.toml`)."""
        return {}

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Return the prices of the last trades."""
        return await self._public.prices(symbols)

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Return the committed candles of a symbol, oldest first."""
        return await self._public.candles(symbol, minutes)

    async def close(self) -> None:
        """Close nothing: the HTTP session belongs to its creator."""

    async def ask_time(self) -> None:
        """Query the venue's time; the account's clock learns from the answer."""
        await self._public.ask_time()

    async def balances(self, *, patient: bool = False) -> Balances:
        """Return all wallets of the key's portfolio, over all pages: a first page misses wallets (C11)."""
        del patient  # the pages are few, and the budget lets orders go first
        rows = await self._questions.pages("/accounts", "accounts", {"limit": _PAGE})
        with parse.readable("accounts"):
            found = parse.balances(rows)
        self._public.rows.note("accounts", dict.fromkeys(found.unreadable, "the balance cannot be read"))
        return found

    async def check_key(self, symbol: Symbol | None, *, trades: bool, probe: bool) -> Sequence[Finding]:
        """Return what Coinbase says of the key; see `key_check.py`."""
        return await KeyExaminer(self._questions, self._public).findings(symbol, trades=trades, probe=probe)

    async def taker_fee(self, symbol: Symbol) -> Decimal:
        """Return the account's taker fee, queried hourly: one for all products, an upper bound for stable pairs (C17)."""
        del symbol
        fee, old_at = self._fee
        if self._clock() >= old_at:
            summary = await self._questions.ask("/transaction_summary")
            with parse.readable("transaction_summary"):
                named = parse.taker_fee(summary)
            fee = dearest_taker_fee(VenueName.COINBASE) if named is None else named
            self._fee = (fee, self._clock() + _FEE_MAX_AGE)
        return fee

    async def place(self, order: OrderRequest, begin: BeginSend) -> OrderAck:
        """Send one order; see the port. The order must have been floored to the product's steps already."""
        body = request_text(_request(order, await self._public.product_id(order.symbol)))
        await self._measure_time()
        try:
            return await self._submission.send(body, begin, not_after=order.deadline_at)
        except Rejected as refused:
            if refused.refusal in {Refusal.PRECISION, Refusal.MINIMUM, Refusal.HALTED}:
                self._public.distrust()
            raise

    async def replay(self, body: str, begin: BeginSend) -> OrderAck:
        """Send a recorded request again, byte for byte; see the port. The order that it names is compared with the request."""
        await self._measure_time()
        accepted = await self._submission.send(body, begin)
        try:
            row = await self._row(accepted.venue_order_id)
            kind, asked = parse.configuration(json.loads(body))
            named, fields = parse.configuration(row)
        except (VenueError, *UNREADABLE) as error:
            _log.warning("a replayed order could not be compared with its request", why=type(error).__name__)
            return accepted
        if named != kind or any(_differs(asked[name], fields.get(name)) for name in asked):
            # The id is of an older request of the same order: what it filled counts, whatever was asked now.
            _log.warning("the venue's order differs from what was sent again", order=accepted.venue_order_id)
        return accepted

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Return one order. Raises Rejected(GONE) when Coinbase shows no such order, as can happen with a fresh one."""
        read = parse.order(await self._row(venue_order_id))
        if isinstance(read, OmittedRow):
            raise Unavailable(f"an order could not be read: {read.detail}")
        return read

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Search the lists, which no server filters by client id; see the port. With `since`, twice before the answer is None."""
        start = (self._clock() - _LATELY if since is None else since) - _SLACK
        for pause in (_BETWEEN_SCANS, None) if since is not None else (None,):
            found = await self._search(client_order_id, start)
            if found is not None or pause is None:
                return found
            await asyncio.sleep(pause)
        return None

    async def open_orders(self) -> OrderList:
        """Return the orders listed as open, of any age, and fresh ones that a list of open orders leaves out (C13)."""
        rows = await self._questions.pages(_ORDERS, "orders", {"order_status": ["OPEN"]})
        rows += await self._created_since(self._clock() - _RECENT)
        read = self._read(rows)
        return OrderList((each for each in read if each.status is VenueOrderStatus.OPEN), read.left_out)

    async def closed_orders(self, *, since: int) -> OrderList:
        """Return ended orders, filled or not, oldest first; see the port.

        No one list has them all: the window of the list of orders is by creation, so an old order that ends now is in none.
        Hence the union of what was created since, what was changed since, and what was filled since (C13).
        """
        from_ = since - _SLACK
        rows = await self._created_since(from_)
        rows += await self._questions.pages(_ORDERS, "orders", {"sort_by": "LAST_UPDATE_TIME"}, until=from_)
        fills = await self._questions.pages(_FILLS, "fills", {"start_sequence_timestamp": _rfc3339(from_)})
        with parse.readable("fills"):
            filled = {str(fill["order_id"]) for fill in fills}
        missing = sorted(filled - {str(row.get("order_id")) for row in rows})
        for first in range(0, len(missing), _IDS):
            rows += await self._questions.pages(_ORDERS, "orders", {"order_ids": missing[first : first + _IDS]})
        read = self._read(rows)
        ended = [order for order in reversed(read) if order.closed_at is not None and order.closed_at >= since]
        left_out = [each for each in read.left_out if each.at is None or each.at >= since]
        return OrderList(sorted(ended, key=lambda order: (order.closed_at, order.opened_at)), left_out)

    async def _measure_time(self) -> None:
        if not self._clock.measured:  # the answers so far had no date
            await self._public.ask_time()

    async def _row(self, venue_order_id: str) -> Row:
        answer = await self._questions.ask(f"/orders/historical/{venue_order_id}")
        row = answer.get("order")
        if not isinstance(row, dict) or row.get("order_id") != venue_order_id:
            raise Unavailable("the answer does not contain the order that was asked for")
        return row

    async def _created_since(self, start: int) -> list[Row]:
        return await self._questions.pages(_ORDERS, "orders", {"start_date": _rfc3339(start)})

    async def _search(self, client_order_id: str, start: int) -> VenueOrder | None:
        read = self._read(await self._created_since(start))
        found = [order for order in read if order.client_order_id == client_order_id]
        if not found:
            for each in read.left_out:
                if each.may_be(client_order_id):
                    raise Unavailable(f"cannot tell whether Coinbase has the order: {each.detail}")
        if len(found) > 1:
            _log.error("one client id, several orders", orders=[order.venue_order_id for order in found])
        return max(found, key=lambda order: (order.filled.amount > 0, order.opened_at), default=None)

    def _read(self, rows: Sequence[Row]) -> OrderList:
        """Parse rows, each order once: one that is in several lists is taken from the last, which was read last."""
        with parse.readable("orders"):
            newest = {
                str(row.get("order_id") if isinstance(row, dict) else number): row for number, row in enumerate(rows)
            }
            read = parse.orders(list(newest.values()))
        self._public.rows.note("orders", {each.row_id: f"{each.reason}: {each.detail}" for each in read.left_out})
        return read


def _request(order: OrderRequest, product_id: str) -> Mapping[str, Any]:
    """Return the content of an order: a limit goes out as immediate-or-cancel, without one it is a market order by base (C8)."""
    size = plain(order.size.amount)
    configuration: dict[str, Any] = {"market_market_ioc": {"base_size": size}}
    if order.limit_price is not None:
        configuration = {"sor_limit_ioc": {"base_size": size, "limit_price": plain(order.limit_price.amount)}}
    return {
        "client_order_id": order.client_order_id,
        "product_id": product_id,
        "side": order.side.upper(),
        "order_configuration": configuration,
    }


def _differs(asked: object, named: object) -> bool:
    try:
        return decimal(asked) != decimal(named)
    except UNREADABLE:
        return asked != named


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(max(at, 0) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
