"""One Kraken account: the venue port over the account's lane and Kraken's public side.

Kraken has no idempotent AddOrder: `cl_ord_id` is unique among *open* orders only, so the same id sent again after a fill buys
again. Hence an order goes out once, with a `deadline` after which the matching engine refuses it, and after a lost answer the
caller uses `find`.

It must never answer "no such order" or "no balance" for a call that failed, and never count a lent-out balance as free.
Sources: docs.kraken.com REST reference (Add Order, Query Orders Info, Get Open/Closed Orders, Get Trades History, Get Trade
Volume), `guides/general/clordid`; KRAKEN.md, K7 to K14 and K20 to K23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import Any, Final

import structlog

from shared.domain.key_report import Finding
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price, plain
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.answers import decimal
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.kraken import parse
from shared.venues.kraken.errors import lacks_permission
from shared.venues.kraken.key_check import KeyExaminer
from shared.venues.kraken.lane import Lane
from shared.venues.kraken.public import KrakenPublic
from shared.venues.kraken.rate_budget import RateBudget
from shared.venues.kraken.symbols import PairBook
from shared.venues.port import BeginSend, Candle, OrderAck, OrderRequest
from shared.venues.rows import Balances, OmittedRow, OrderList, RowReason, VenueOrder
from shared.venues.stream import PrivateStream
from shared.venues.venue_clock import VenueTime

BASE_TIER_TAKER_FEE: Final = dearest_taker_fee(VenueName.KRAKEN)
_FEE_MAX_AGE: Final = 3_600_000  # ms
_CLOCK_SLACK: Final = (
    60  # seconds that `find` searches further back than requested, in case our clock is ahead of Kraken's
)
_UNKNOWN_PAIR: Final = "unknown asset pair"
_QUERY_ORDERS_MAX: Final = 50  # ids per QueryOrders
_NO_ORDER: Final = "O00000-00000-000000"
"""The id of no order: Kraken's have letters after the dashes."""

_log = structlog.get_logger(__name__)


class KrakenVenue:
    """The account of a key. `public` is shared by all accounts of the process."""

    name: str = VenueName.KRAKEN
    visible_after_ms = 3_000
    """Our choice: no figure is published (KRAKEN.md beside this file, K10)."""
    furthest_deadline_ms = 60_000
    """docs.kraken.com, Add Order: `deadline` lies at most 60 s ahead."""
    replays = False
    stops_at_market = True

    def __init__(
        self,
        public: KrakenPublic,
        lane: Lane,
        budget: RateBudget,
        *,
        clock: VenueTime,
        stream: Callable[[], PrivateStream] | None = None,
    ) -> None:
        """`stream` makes a new stream of the account; without it there is none."""
        self._public = public
        self._lane = lane
        self._budget = budget
        self._clock = clock
        self._stream = stream
        self._fees: dict[Symbol, tuple[Decimal, int]] = {}
        self.order_life_ms = lane.order_life_ms
        self.shortest_life_ms = lane.shortest_life_ms

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Return all spot pairs, at most ten minutes old while Kraken answers."""
        return await self._public.instruments()

    async def renames(self) -> Mapping[str, str]:
        """Return the assets that Kraken lists under a new name: old plain name to present one."""
        return (await self._public.names()).names.renamed

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
        """Return all balances; lent-out and staked ones have their own name (`USDT.F`) and nothing free."""
        names = (await self._public.names()).names
        extended = await self._lane.look_up("BalanceEx", patient=patient)
        with parse.readable("BalanceEx"):
            found = parse.balances(names, extended)
        self._public.rows.note("BalanceEx", dict.fromkeys(found.unreadable, "the balance cannot be read"))
        self._public.meet(names.plain(asset) for asset in extended)
        return found

    async def check_key(self, symbol: Symbol | None, *, trades: bool, probe: bool) -> Sequence[Finding]:
        """Return what Kraken says of the key; see `key_check.py`."""
        return await KeyExaminer(self._lane, self._public, self._clock).findings(symbol, trades=trades, probe=probe)

    async def taker_fee(self, symbol: Symbol) -> Decimal:
        """Return the account's taker fee, queried hourly; the base tier's if the key lacks the right or Kraken lists none."""
        fee, old_at = self._fees.get(symbol, (BASE_TIER_TAKER_FEE, 0))
        if self._clock() >= old_at:
            fee = await self._ask_fee(await self._pair(symbol))
            self._fees[symbol] = (fee, self._clock() + _FEE_MAX_AGE)
        return fee

    async def place(self, order: OrderRequest, begin: BeginSend) -> OrderAck:
        """Send one order; see the port. The order must have been floored to the pair's steps already.

        The order carries a deadline of one time-out from the start of the send, or an earlier one (`latest_at`); one whose send
        cannot start in time is not sent.
        """
        pair = await self._pair(order.symbol)
        if not self._clock.measured:  # the answers so far had no date
            await self._public.ask_time()
        await self._budget.admit_order(pair, patience=(order.deadline_at - self._clock()) / 1000)
        try:
            result = await self._lane.add_order(
                partial(self._params, order, pair), begin, not_after=order.deadline_at, latest_at=order.latest_at
            )
        except Rejected as refused:
            self._heed(refused)
            raise
        venue_order_id = parse.accepted_id(result)
        if venue_order_id is None:
            raise OutcomeUnknown("Kraken accepted the order without returning its id")
        return OrderAck(venue_order_id)

    async def validate(self, order: OrderRequest) -> None:
        """Have Kraken check an order; see the port. It counts as an order; the end of its patience is its deadline (K29)."""
        pair = await self._pair(order.symbol)
        if not self._clock.measured:
            await self._public.ask_time()
        await self._budget.admit_order(pair, patience=(order.deadline_at - self._clock()) / 1000)
        try:
            await self._lane.check_order(self._params(order, pair, order.deadline_at))
        except Rejected as refused:
            self._heed(refused)
            raise

    async def replay(self, body: str, begin: BeginSend, *, latest_at: int | None = None) -> OrderAck:
        """Refuse: Kraken's client order ids are unique among open orders only, so a second send buys twice."""
        raise TypeError("Kraken has no replay")

    async def cancel(self, order: VenueOrder) -> None:
        """Send CancelOrder; see the port. Kraken never refuses one for its rate, but counts it by the order's age (K39)."""
        self._budget.count_cancel(await self._pair(order.symbol), age=(self._clock() - order.opened_at) / 1000)
        try:
            await self._lane.look_up("CancelOrder", {"txid": order.venue_order_id})
        except Rejected as refused:
            if refused.refusal is not Refusal.GONE:
                raise

    async def may_cancel(self) -> bool:
        """Return whether the key has one of the two rights with which orders are cancelled (K39)."""
        try:
            await self._lane.look_up("CancelOrder", {"txid": _NO_ORDER})
        except Rejected as refused:
            if lacks_permission(refused.words):
                return False
            if refused.refusal is not Refusal.GONE:
                raise
        return True

    def private_stream(self) -> PrivateStream | None:
        """Return a new stream over `executions` and `balances`; see `streaming/stream.py`."""
        return None if self._stream is None else self._stream()

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Return one order. Raises Rejected(GONE) when Kraken shows no such order, as can happen with a fresh one."""
        book = await self._public.names()
        found = await self._lane.look_up("QueryOrders", {"txid": venue_order_id})
        with parse.readable("QueryOrders"):
            row = (found or {}).get(venue_order_id)
            order = None if row is None else parse.order(book, venue_order_id, row)
        if row is None or order is None:
            raise Rejected("Kraken shows no such order", Refusal.GONE)
        if isinstance(order, OmittedRow):
            raise Unavailable(order.detail)
        return order

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Search open orders, closed orders, then the orders of the trades since `since`; see the port.

        Costs 6 of a key's lookups as Shoal counts them, 4 without trades.
        """
        book = await self._public.names()
        by_client_id = {"cl_ord_id": client_order_id}
        mine = partial(self._with_client_id, book, client_order_id)
        found = mine(await self._rows("OpenOrders", "open", by_client_id)) or mine(
            await self._rows("ClosedOrders", "closed", by_client_id)
        )
        if found is None and since is not None:
            found = mine(await self._behind_trades(since // 1000 - _CLOCK_SLACK))
        return found

    async def open_orders(self) -> OrderList:
        """Return the open orders, all in one answer."""
        rows = await self._rows("OpenOrders", "open", {})
        return await self._read("OpenOrders", rows)

    async def closed_orders(self, *, since: int) -> OrderList:
        """Return ended orders, filled or not, oldest first.

        Every row of this list has ended, whatever its status says: an order that is left out would be sent again. Orders that
        ended within one millisecond keep the venue's sequence: a purchase must not come after the sale of what it bought.
        """
        rows = await self._pages("ClosedOrders", "closed", {"start": str(since // 1000 - 1), "closetime": "close"})
        newest_first = await self._read("ClosedOrders", rows)
        ended = [(since if order.closed_at is None else order.closed_at, order) for order in reversed(newest_first)]
        left_out = [each for each in newest_first.left_out if each.at is None or each.at >= since]
        return OrderList([order for at, order in sorted(ended, key=itemgetter(0)) if at >= since], left_out)

    def _heed(self, refused: Rejected) -> None:
        """Have the pairs read again after a refusal that says that our facts about them are old."""
        if refused.refusal in {Refusal.PRECISION, Refusal.MINIMUM} or _UNKNOWN_PAIR in refused.words.lower():
            self._public.distrust()

    async def _read(self, method: str, rows: Mapping[str, Any]) -> OrderList:
        """Parse rows of orders; for a row with an unknown pair the list of pairs is fetched again, if that is not just done."""
        read = parse.orders(await self._public.names(), rows)
        unknown = [each for each in read.left_out if each.reason is RowReason.UNKNOWN_PAIR]
        if unknown and await self._public.learn({each.pair for each in unknown}):
            read = parse.orders(await self._public.names(), rows)
        self._public.rows.note(method, {each.row_id: f"{each.reason}: {each.detail}" for each in read.left_out})
        return read

    @staticmethod
    def _params(order: OrderRequest, pair: str, deadline: int) -> Mapping[str, str]:
        params = {
            "pair": pair,
            "type": str(order.side),
            "ordertype": "market",
            "volume": plain(order.size.amount),
            "cl_ord_id": order.client_order_id,
            "deadline": _rfc3339(deadline),
            "oflags": "fciq",  # the fee in quote on both sides, so that what is bought is what can be sold
        }
        if order.stop_price is not None:
            params |= {"ordertype": "stop-loss", "price": plain(order.stop_price.amount)}
            if order.limit_price is not None:
                params |= {"ordertype": "stop-loss-limit", "price2": plain(order.limit_price.amount)}
        elif order.limit_price is not None:
            params |= {"ordertype": "limit", "price": plain(order.limit_price.amount)}
            params["timeinforce"] = "GTC" if order.rests else "IOC"
        if order.post_only:
            params["oflags"] += ",post"
        return params

    async def _pair(self, symbol: Symbol) -> str:
        pair = (await self._public.names()).pair_name(symbol) or (await self._public.book()).pair_name(symbol)
        if pair is None:
            raise Rejected(f"Kraken lists no spot pair {symbol}")
        return pair

    async def _ask_fee(self, pair: str) -> Decimal:
        try:
            volume = await self._lane.look_up("TradeVolume", {"pair": pair})
        except Rejected as refused:
            if not lacks_permission(refused.words):
                raise
            return BASE_TIER_TAKER_FEE
        with parse.readable("TradeVolume"):
            fee = parse.taker_fee(volume)
        return BASE_TIER_TAKER_FEE if fee is None else fee

    def _with_client_id(self, book: PairBook, client_order_id: str, rows: Mapping[str, Any]) -> VenueOrder | None:
        """Find an order among rows. Raises Unavailable if it is not there and a row that cannot be read may be it."""
        read = parse.orders(book, rows)
        found = [order for order in read if order.client_order_id == client_order_id]
        if not found:
            for each in read.left_out:
                if each.may_be(client_order_id):
                    raise Unavailable(f"cannot tell whether Kraken has the order: {each.detail}")
        if len(found) > 1:
            _log.error("one client id, several orders", orders=[order.venue_order_id for order in found])
        return max(found, key=lambda order: (order.filled.amount > 0, order.opened_at), default=None)

    async def _behind_trades(self, start: int) -> Mapping[str, Any]:
        """Return the orders of trades, which carry no client id themselves. An unreadable trade raises: it proves no absence."""
        trades = await self._pages("TradesHistory", "trades", {"start": str(start)})
        with parse.readable("TradesHistory"):
            ids = sorted({str(trade["ordertxid"]) for trade in trades.values()})
        rows: dict[str, Any] = {}
        for first in range(0, len(ids), _QUERY_ORDERS_MAX):
            rows |= await self._rows("QueryOrders", "", {"txid": ",".join(ids[first : first + _QUERY_ORDERS_MAX])})
        return rows

    async def _pages(self, method: str, key: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Return the rows of all pages, newest first; a row added meanwhile only moves others to later pages: none is missed."""
        found: dict[str, Any] = {}
        while True:
            result = await self._lane.look_up(method, {**params, "ofs": str(len(found))})
            with parse.readable(method):
                rows = result[key] or {}
                total = result.get("count")
                fresh = rows.keys() - found.keys()
                found |= rows
                if not fresh or (total is not None and len(found) >= decimal(total)):
                    return found

    async def _rows(self, method: str, key: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of rows by id. "No such order" is an answer here, not a failure."""
        try:
            result = await self._lane.look_up(method, params)
        except Rejected as refused:
            if refused.refusal is not Refusal.GONE:
                raise
            return {}
        with parse.readable(method):
            rows = result[key] if key else result
            return dict(rows or {})


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
