"""An in-memory venue that implements the port, shipped beside it so that tests need no patched mocks.

It keeps what makes a real venue dangerous: a client id that is placed twice buys twice (with `FakeAccount.replays` the first
order is returned instead, and there are no nonces, as at Coinbase), an order can be invisible for a few lookups, a reply can be
lost after the order was accepted, a nonce that does not increase is refused. It has three parts: the market (prices and pairs,
shared by all), the account (what the venue knows) and the venue (one process's connection to the account, with its lane). Two
venues over one account are two processes that compete for it.

It must never behave in a way that the paper exchange and the contract tests do not show.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.key_report import Finding
from shared.domain.order import Side
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.deadline import deadline_of
from shared.venues.errors import Refusal, Rejected
from shared.venues.fake_account import FakeAccount, FakeMarket, Stop
from shared.venues.port import (
    Balance,
    Balances,
    BeginSend,
    Candle,
    NonceSource,
    OrderAck,
    OrderList,
    OrderRequest,
    Outgoing,
    VenueOrder,
    VenueOrderStatus,
)
from shared.venues.stream import PrivateStream

__all__ = ["FakeAccount", "FakeMarket", "FakeVenue", "MemoryNonces"]

_FIRST_NONCE: Final = 1_000_000
_SEND_WINDOW: Final = 5_000  # ms from the start of a send to its deadline


class MemoryNonces:
    """A nonce source for tests: counts up in this process. Set `fenced` to the error that every further request shall raise."""

    def __init__(self, start: int = _FIRST_NONCE) -> None:
        self.last = start
        self.fenced: Exception | None = None

    async def next(self, *, advance: int = 0) -> int:
        """Allocate the next nonce."""
        if self.fenced is not None:
            raise self.fenced
        self.last += advance + 1
        return self.last

    async def begin(self, outgoing: Outgoing) -> int:
        """Return the nonce of a send; nothing else is recorded."""
        del outgoing
        return await self.next()


@dataclass
class _Failure:
    error: Exception
    after_accept: bool


class FakeVenue:
    """One process's connection to a fake account. `calls` counts the calls by method, `sent` keeps the orders that arrived."""

    visible_after_ms = 3_000
    furthest_deadline_ms = 60_000
    order_life_ms = _SEND_WINDOW
    shortest_life_ms = 0

    def __init__(
        self,
        market: FakeMarket,
        account: FakeAccount,
        *,
        clock: Callable[[], int],
        nonces: NonceSource | None = None,
        name: str = VenueName.KRAKEN,
    ) -> None:
        self.name = name
        self.market = market
        self.account = account
        self.calls: Counter[str] = Counter()
        self.sent: list[OrderRequest] = []
        self.closed = False
        self.stream: PrivateStream | None = None
        self.replays = account.replays
        self.stops_at_market = not account.replays
        self._clock = clock
        self._nonces = nonces or MemoryNonces(account.last_nonce)
        self._lane = asyncio.Lock()
        self._failures: dict[str, deque[_Failure]] = defaultdict(deque)
        self._gates: dict[str, asyncio.Event] = {}

    def fail(self, method: str, error: Exception, *, times: int = 1, after_accept: bool = False) -> None:
        """Make the next `times` calls of a method raise; with `after_accept` the order is accepted first (a lost reply)."""
        self._failures[method].extend(_Failure(error, after_accept) for _ in range(times))

    def hold(self, method: str) -> asyncio.Event:
        """Make calls of a method wait inside the lane until the event is set."""
        return self._gates.setdefault(method, asyncio.Event())

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Return the market's pairs."""
        await self._enter("instruments")
        return dict(self.market.instruments)

    async def renames(self) -> Mapping[str, str]:
        """Return the assets that the market has renamed."""
        await self._enter("renames")
        return dict(self.market.renamed)

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Return the market's prices; an unpriced symbol is left out."""
        await self._enter("prices")
        known = self.market.prices
        return {symbol: Price(known[symbol], symbol) for symbol in symbols if known.get(symbol, ZERO) > 0}

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Return the market's candles, whatever their length."""
        del minutes
        await self._enter("candles")
        return list(self.market.candles.get(symbol, []))

    async def close(self) -> None:
        """Record that the connection was closed."""
        self.closed = True

    async def balances(self, *, patient: bool = False) -> Balances:
        """Return the balances; what resting orders hold is not free."""
        del patient
        async with self._lane:
            await self._private("balances")
            held = self.account.held()
            shown = {
                asset: Balance(asset, total, total - held.get(asset, ZERO))
                for asset, total in self.account.shown().items()
            }
            staked = {
                f"{coin}.F": Balance(f"{coin}.F", total, ZERO, coin) for coin, total in self.account.staked.items()
            }
            return Balances(shown | staked, self.account.unreadable_balances)

    async def check_key(self, symbol: Symbol | None, *, trades: bool, probe: bool) -> Sequence[Finding]:
        """Return the findings that the account has; see `FakeAccount.key_findings`."""
        del symbol, trades, probe
        async with self._lane:
            await self._private("check_key")
            return list(self.account.key_findings)

    async def taker_fee(self, symbol: Symbol) -> Decimal:
        """Return the account's fee of a pair."""
        async with self._lane:
            await self._private("taker_fee")
            return self.account.fee_of(symbol)

    async def place(self, order: OrderRequest, begin: BeginSend) -> OrderAck:
        """Execute the order at the market's price, as an immediate order does."""
        async with self._lane:
            if self._clock() >= order.deadline_at:
                raise Rejected("deadline passed before the order was sent", Refusal.DEADLINE)
            body = _written(order) if self.replays else ""
            self._arrive(await begin(Outgoing(self._deadline(order.latest_at), body)))
            return await self._receive("place", order)

    async def validate(self, order: OrderRequest) -> None:
        """Check an order as `place` would take it; a failure `after_accept` is that of a venue that takes it all the same."""
        async with self._lane:
            if not self.replays:
                self._arrive(await self._nonces.next())
            failure = await self._enter("validate", raises=False)
            if failure is not None and failure.after_accept:
                self._accept(order)
            if failure is not None:
                raise failure.error
            self._check(order)

    async def replay(self, body: str, begin: BeginSend, *, latest_at: int | None = None) -> OrderAck:
        """Execute a recorded order, unless its client id is known: then return the order that has it."""
        if not self.replays:
            raise TypeError("this venue has no replay")
        async with self._lane:
            await begin(Outgoing(self._deadline(latest_at), body))
            return await self._receive("replay", _read(body))

    def _deadline(self, latest_at: int | None) -> int:
        life, shortest = self.order_life_ms, self.shortest_life_ms
        return deadline_of(self._clock(), life_ms=life, shortest_ms=shortest, latest_at=latest_at)

    async def _receive(self, method: str, order: OrderRequest) -> OrderAck:
        failure = await self._enter(method, raises=False)
        if failure is not None and not failure.after_accept:
            raise failure.error
        known = [each for each in self.account.orders if each.client_order_id == order.client_order_id]
        accepted = OrderAck(known[0].venue_order_id) if known and self.replays else self._accept(order)
        if failure is not None:
            raise failure.error
        return accepted

    async def cancel(self, order: VenueOrder) -> None:
        """End an open order with what it has filled; nothing happens to one that has ended."""
        async with self._lane:
            failure = await self._cancel_arrives()
            still_open = [o for o in self.account.orders if o.venue_order_id == order.venue_order_id]
            if still_open and still_open[0].status is VenueOrderStatus.OPEN:
                stop = self.account.stops.get(order.venue_order_id)
                meets = still_open[0].limit_price if stop is None else stop.price
                if self.account.fills_on_cancel and meets is not None:
                    self.account.meet(meets, self._clock())
                self.account.end(order.venue_order_id, self._clock(), "User requested")
            if failure is not None:
                raise failure.error

    async def may_cancel(self) -> bool:
        """Return what the account says."""
        async with self._lane:
            await self._private("may_cancel")
            return self.account.may_cancel

    async def _cancel_arrives(self) -> _Failure | None:
        if not self.replays:
            self._arrive(await self._nonces.next())
        failure = await self._enter("cancel", raises=False)
        if failure is not None and not failure.after_accept:
            raise failure.error
        return failure

    def private_stream(self) -> PrivateStream | None:
        """Return the one that a test has given it, if any: a `FakeStream` (`fake_stream.py`)."""
        return self.stream

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Return one order. Raises Rejected(GONE) while it is hidden or if it does not exist."""
        async with self._lane:
            await self._private("order")
            found = [o for o in self._visible() if o.venue_order_id == venue_order_id]
            if not found:
                raise Rejected("EOrder:Invalid order", Refusal.GONE)
            return found[0]

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Return the newest order with this client id that is open or, if `since` is given, was opened at or after it."""
        async with self._lane:
            await self._private("find")
            mine = [order for order in self._visible() if order.client_order_id == client_order_id]
            if since is not None:
                mine = [order for order in mine if order.opened_at >= since or order.status is VenueOrderStatus.OPEN]
            return mine[-1] if mine else None

    async def open_orders(self) -> OrderList:
        """Return the open orders."""
        async with self._lane:
            await self._private("open_orders")
            return OrderList(o for o in self._visible() if o.status is VenueOrderStatus.OPEN)

    async def closed_orders(self, *, since: int) -> OrderList:
        """Return the finished orders that ended at or after `since`, filled or not, oldest first."""
        async with self._lane:
            await self._private("closed_orders")
            ended = [o for o in self.account.orders if o.closed_at is not None and o.closed_at >= since]
            ended.sort(key=lambda order: order.closed_at or 0)
            left_out = [row for row in self.account.left_out if row.at is None or row.at >= since]
            return OrderList(ended, left_out)

    def _check(self, order: OrderRequest) -> Price:
        """Raise Rejected for an order that the venue would not take; return the price."""
        if order.stop_price is not None and (order.limit_price is None) is not self.stops_at_market:
            raise Rejected("EOrder:Invalid order: a stop of the other venue")
        instrument = self.market.instruments.get(order.symbol)
        price = Price(self.market.prices.get(order.symbol, ZERO), order.symbol)
        if instrument is None or price.amount <= 0:
            raise Rejected("EQuery:Unknown asset pair")
        if instrument.status is not PairStatus.ONLINE:
            raise Rejected(f"EService:Market in {instrument.status} mode", Refusal.HALTED)
        if words := instrument.below_minimum(order.size, order.limit_price or price):
            raise Rejected(words, Refusal.MINIMUM)
        self._check_funds(order, price)
        return price

    def _accept(self, order: OrderRequest) -> OrderAck:
        self.sent.append(order)
        price = self._check(order)
        record = self._record(order)
        self.account.open(record)
        if order.stop_price is not None:
            self.account.stops[record.venue_order_id] = Stop(order.stop_price, order.limit_price)
            self.account.meet(price, self._clock())
        elif order.rests:
            self._rest(record, order, price)
        elif not self.account.rests:
            share = self.account.fill_share if _crosses(order, price) else ZERO
            self.account.finish(record.venue_order_id, share, price, order.size, self._clock())
        return OrderAck(record.venue_order_id)

    def _rest(self, record: VenueOrder, order: OrderRequest, price: Price) -> None:
        """Leave an order open with what it takes at once; a post-only one that would take ends without a fill, as at Kraken."""
        if not _crosses(order, price):
            return
        if order.post_only:
            self.account.end(record.venue_order_id, self._clock(), "Post only order")
        elif self.account.fill_share > 0:
            part = order.size.scaled(self.account.fill_share)
            self.account.fill_resting(record.venue_order_id, part, price, self._clock())

    def _check_funds(self, order: OrderRequest, price: Price) -> None:
        cost = (order.size * (order.limit_price if order.rests and order.limit_price else price)).amount
        asset, needed = order.symbol.base, order.size.amount
        if order.side is Side.BUY:
            asset, needed = (
                order.symbol.quote,
                cost if self.account.fee_in_base else cost * (1 + self.account.fee_of(order.symbol)),
            )
        if self.account.balances.get(asset, ZERO) - self.account.held().get(asset, ZERO) < needed:
            raise Rejected("EOrder:Insufficient funds", Refusal.FUNDS)

    def _record(self, order: OrderRequest) -> VenueOrder:
        base, quote = order.symbol.base, order.symbol.quote
        return VenueOrder(
            venue_order_id=f"O{next(self.account.ids):05d}-FAKE0-ORDER0",
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            status=VenueOrderStatus.OPEN,
            filled=Quantity(ZERO, base),
            cost=Money(ZERO, quote),
            fee=ZERO,
            fee_asset=base if self.account.fee_in_base else quote,
            opened_at=self._clock(),
            closed_at=None,
            size=order.size,
            limit_price=None if order.stop_price else order.limit_price,
            rests=order.rests and order.stop_price is None,
            post_only=order.post_only,
        )

    def _visible(self) -> list[VenueOrder]:
        if self.account.hidden_lookups > 0:
            self.account.hidden_lookups -= 1
            return []
        return self.account.orders

    async def _private(self, method: str) -> None:
        if not self.replays:
            self._arrive(await self._nonces.next())
        await self._enter(method)

    def _arrive(self, nonce: int) -> None:
        if self.replays:
            return
        if nonce <= self.account.last_nonce:
            raise Rejected("EAPI:Invalid nonce", Refusal.NONCE)
        self.account.last_nonce = nonce

    async def _enter(self, method: str, *, raises: bool = True) -> _Failure | None:
        self.calls[method] += 1
        if (gate := self._gates.get(method)) is not None:
            await gate.wait()
        failure = self._failures[method].popleft() if self._failures[method] else None
        if failure is not None and raises:
            raise failure.error
        return failure


def _written(order: OrderRequest) -> str:
    """Return an order as the text of a request."""
    limit, stop = (plain(price.amount) if price else "" for price in (order.limit_price, order.stop_price))
    terms = [limit, order.rests, order.post_only, stop]
    return json.dumps([order.client_order_id, str(order.symbol), order.side, plain(order.size.amount), *terms])


def _read(body: str) -> OrderRequest:
    client_order_id, name, side, size, limit, rests, post_only, stop = json.loads(body)
    symbol = Symbol.parse(name)
    return OrderRequest(
        client_order_id,
        symbol,
        Side(side),
        Quantity(Decimal(size), symbol.base),
        Price(Decimal(limit), symbol) if limit else None,
        0,
        rests=rests,
        post_only=post_only,
        stop_price=Price(Decimal(stop), symbol) if stop else None,
    )


def _crosses(order: OrderRequest, price: Price) -> bool:
    if order.limit_price is None:
        return True
    limit = order.limit_price.amount
    return limit >= price.amount if order.side is Side.BUY else limit <= price.amount
