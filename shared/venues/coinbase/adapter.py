"""One Coinbase account: the venue port over the account's lookups and Coinbase's public side.

Coinbase answers a client order id that it knows with the order that has it, and creates nothing: so an order whose answer was
lost is found out by sending the same text again. There is no nonce and no deadline field; the token's end bounds when an order
can arrive, and is written ahead as its deadline.

It must never take `success` for a fill, sign an order for longer than was written ahead, or answer "no such order" or "no
balance" for a call that failed. Sources: COINBASE.md, C2 to C20.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from shared.venues.coinbase import order_rows, parse
from shared.venues.coinbase.errors import UNAUTHORIZED
from shared.venues.coinbase.history import OrderHistory
from shared.venues.coinbase.key_check import KeyExaminer
from shared.venues.coinbase.preview import preview
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.coinbase.questions import Questions, Row
from shared.venues.coinbase.streaming.products import OrderProducts
from shared.venues.coinbase.submission import SHORTEST_LIFE_MS, Submission
from shared.venues.coinbase.transport import request_text
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, presentable
from shared.venues.port import BeginSend, Candle, OrderAck, OrderRequest
from shared.venues.rows import Balances, OrderList, VenueOrder
from shared.venues.stream import PrivateStream
from shared.venues.venue_clock import VenueTime

_FEE_MAX_AGE: Final = 3_600_000  # ms
_NO_ORDER: Final = "00000000-0000-0000-0000-000000000000"
_PAGE: Final = 250
"""Wallets on a page, at most (C11)."""

_log = structlog.get_logger(__name__)


class CoinbaseVenue:
    """The account of a key. `public` is shared by all accounts of the process."""

    name: str = VenueName.COINBASE
    visible_after_ms = 3_000
    """Our choice: how long a fresh order may be missing from the lists is published nowhere (C19)."""
    furthest_deadline_ms = 120_000
    """A token lives two minutes at most (C2)."""
    replays = True
    stops_at_market = False

    def __init__(
        self,
        public: CoinbasePublic,
        questions: Questions,
        submission: Submission,
        *,
        clock: VenueTime,
        products: OrderProducts | None = None,
        stream: Callable[[], PrivateStream] | None = None,
    ) -> None:
        """`stream` makes a new stream of the account, which shares `products`; without it there is none."""
        self._public = public
        self._questions = questions
        self._submission = submission
        self._products = products or OrderProducts()
        self._stream = stream
        self._history = OrderHistory(questions, public.rows, self._products, clock=clock)
        self._clock = clock
        self._fee: tuple[Decimal, int] = (dearest_taker_fee(VenueName.COINBASE), 0)
        self.order_life_ms = submission.order_life_ms
        self.shortest_life_ms = SHORTEST_LIFE_MS

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
        rows = await self._questions.pages("/accounts", "accounts", {"limit": _PAGE}, patient=patient)
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
        asked = _request(order, await self._public.product_id(order.symbol))
        self._products.placed(asked)
        body = request_text(asked)
        await self._measure_time()
        try:
            return await self._submission.send(body, begin, not_after=order.deadline_at, latest_at=order.latest_at)
        except Rejected as refused:
            self._heed(refused)
            raise

    async def validate(self, order: OrderRequest) -> None:
        """Have Coinbase preview an order; see the port. A preview has no client order id and creates nothing (C20)."""
        asked = dict(_request(order, await self._public.product_id(order.symbol)))
        del asked["client_order_id"]
        try:
            await preview(self._questions, asked)
        except Rejected as refused:
            self._heed(refused)
            raise

    async def replay(self, body: str, begin: BeginSend, *, latest_at: int | None = None) -> OrderAck:
        """Send a recorded request again, byte for byte; see the port. The order that it names is compared with the request."""
        asked = json.loads(body)
        self._products.placed(asked)
        await self._measure_time()
        accepted = await self._submission.send(body, begin, latest_at=latest_at)
        try:
            row = await self._history.row(accepted.venue_order_id)
        except (Rejected, Unavailable) as error:
            _log.warning("an order that was sent again is not shown yet", order=accepted.venue_order_id, why=str(error))
            return accepted
        for field in ("client_order_id", "product_id", "side"):
            if row.get(field) != asked[field]:
                raise OutcomeUnknown(f"Coinbase named an order of another {field}")
        if _differs(asked, row):
            # The id is of an older request: the venue's record is what counts, whatever was asked now.
            _log.warning("the venue's order differs from what was sent again", order=accepted.venue_order_id)
        return accepted

    async def cancel(self, order: VenueOrder) -> None:
        """Cancel one order; see the port. A success means that the cancel was taken, a refusal mostly that it came late (C30)."""
        body = request_text({"order_ids": [order.venue_order_id]})
        answer = await self._questions.ask("/orders/batch_cancel", body=body)
        with parse.readable("batch_cancel"):
            (result,) = answer["results"]
            if result["order_id"] != order.venue_order_id or not isinstance(result["success"], bool):
                raise ValueError("not an answer to this cancel")
        if not result["success"]:
            _log.info("cancel refused", order=order.venue_order_id, why=presentable(str(result.get("failure_reason"))))

    async def may_cancel(self) -> bool:
        """Return whether the key may cancel: at Coinbase the right to trade is one (C20, C30)."""
        try:
            await self._questions.ask("/orders/batch_cancel", body=request_text({"order_ids": [_NO_ORDER]}))
        except Rejected as refused:
            if refused.refusal is not Refusal.AUTH or refused.words.startswith(f"HTTP {UNAUTHORIZED}"):
                raise
            return False
        return True

    def private_stream(self) -> PrivateStream | None:
        """Return a new stream over `user` and `heartbeats`; see `streaming/stream.py`."""
        return None if self._stream is None else self._stream()

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Return one order. Raises Rejected(GONE) when Coinbase shows no such order, as can happen with a fresh one."""
        return await self._history.order(venue_order_id)

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Search the lists, which no server filters by client id; see the port. With `since`, twice before the answer is None."""
        return await self._history.find(client_order_id, since=since)

    async def open_orders(self) -> OrderList:
        """Return the orders that have not ended."""
        return await self._history.open_orders()

    async def closed_orders(self, *, since: int) -> OrderList:
        """Return ended orders, filled or not, oldest first; see the port."""
        return await self._history.closed_orders(since=since)

    def _heed(self, refused: Rejected) -> None:
        """Have the products read again after a refusal that says that our facts about them are old."""
        if refused.refusal in {Refusal.PRECISION, Refusal.MINIMUM, Refusal.HALTED}:
            self._public.distrust()

    async def _measure_time(self) -> None:
        if not self._clock.measured:  # the answers so far had no date
            await self._public.ask_time()


def _request(order: OrderRequest, product_id: str) -> Mapping[str, Any]:
    """Return the content of an order: a limit goes out as immediate-or-cancel or rests, without one it is a market order by base.

    A stop sells by its limit once it is reached. Configurations: C8, C30.
    """
    size = plain(order.size.amount)
    configuration: dict[str, Any] = {"market_market_ioc": {"base_size": size}}
    if order.stop_price is not None:
        if order.limit_price is None:
            raise ValueError("Coinbase has no stop at market")  # never a sale at once instead
        configuration = {
            "stop_limit_stop_limit_gtc": {
                "base_size": size,
                "limit_price": plain(order.limit_price.amount),
                "stop_price": plain(order.stop_price.amount),
                "stop_direction": "STOP_DIRECTION_STOP_DOWN",
            }
        }
    elif order.limit_price is not None:
        limit = plain(order.limit_price.amount)
        configuration = {"sor_limit_ioc": {"base_size": size, "limit_price": limit}}
        if order.rests:
            fields = {"base_size": size, "limit_price": limit, "post_only": order.post_only}
            configuration = {"limit_limit_gtc": fields}
    return {
        "client_order_id": order.client_order_id,
        "product_id": product_id,
        "side": order.side.upper(),
        "order_configuration": configuration,
    }


def _differs(asked: Row, row: Row) -> bool:
    """Return whether an order has another kind, size or limit than was asked for."""
    try:
        (kind, fields), (named, found) = order_rows.configuration(asked), order_rows.configuration(row)
        amounts = [name for name in fields if name not in {"post_only", "stop_direction"}]
        return named != kind or any(decimal(fields[name]) != decimal(found[name]) for name in amounts)
    except UNREADABLE:
        return True
