"""A venue of the port over an account of the paper exchange's own core: what it fills, takes and holds is the exchange's.

Lane, nonces and replays are those of the fake; every price, fill, fee and balance comes from the exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.account import Account
from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Side as PaperSide
from services.paper_exchange.core.order import Order, OrderType, Ticket, TimeInForce
from shared.bus.ownership.nonce import NonceCounter
from shared.domain.order import Side
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Refusal, Rejected
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.port import Balance, Balances, OrderAck, OrderList, OrderRequest, VenueOrder, VenueOrderStatus

_CENT: Final = Decimal("0.01")


class CoreVenue(FakeVenue):
    """One process's connection to an account. `fee_in_base` decides of each order in which coin its fee is taken."""

    def __init__(
        self,
        exchange: Exchange,
        books: Account,
        account: FakeAccount,
        clock: Callable[[], int],
        nonces: NonceCounter,
        fee_in_base: Callable[[OrderRequest], bool],
    ) -> None:
        """`account` counts the nonces of the key, and says whether the venue replays; nothing else of it is used."""
        super().__init__(FakeMarket(), account, clock=clock, nonces=nonces, name=exchange.kind.name)
        self.exchange = exchange
        self.books = books
        self._fee_in_base = fee_in_base

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Return the pairs that the market trades."""
        return {symbol: instrument_of(self.exchange, symbol) for symbol in traded_symbols(self.exchange)}

    async def renames(self) -> Mapping[str, str]:
        """Return what the exchange has renamed."""
        return dict(self.exchange.renamed)

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Return the last prices."""
        traded = set(traded_symbols(self.exchange))
        return {each: Price(self.exchange.view.last(str(each)), each) for each in symbols if each in traded}

    async def balances(self, *, patient: bool = False) -> Balances:
        """Return the balances; what open orders hold is not free."""
        del patient
        async with self._lane:
            await self._private("balances")
            now = self.exchange.clock.now()
            self.exchange.catch_up()
            return Balances(
                {
                    asset: Balance(asset, self.books.shown(asset, now), self.books.available(asset, now))
                    for asset in self.books.balances
                }
            )

    async def taker_fee(self, symbol: Symbol) -> Decimal:
        """Return the rate of the account's tier."""
        del symbol
        async with self._lane:
            await self._private("taker_fee")
            return self.exchange.settlement.rate(self.books, self.exchange.clock.now(), maker=False)

    async def cancel(self, order: VenueOrder) -> None:
        """End an open order with what it has filled."""
        async with self._lane:
            await self._cancel_arrives()
            self.exchange.catch_up()
            found = self.books.orders.get(order.venue_order_id)
            if found is not None and found.is_open:
                self.exchange.cancel(found)

    async def closed_orders(self, *, since: int) -> OrderList:
        """Return the orders that ended at or after `since` (epoch ms), oldest first."""
        async with self._lane:
            await self._private("closed_orders")
            ended = [each for each in self._visible() if each.closed_at is not None and each.closed_at >= since]
            return OrderList(sorted(ended, key=lambda each: each.closed_at or 0))

    def _visible(self) -> list[VenueOrder]:
        self.exchange.catch_up()
        return [shown(order) for order in self.books.orders.values()]

    async def _receive(self, method: str, order: OrderRequest) -> OrderAck:
        failure = await self._enter(method, raises=False)
        assert failure is None
        known = self.books.by_client_id.get(order.client_order_id, [])
        return OrderAck(known[0].id) if known and self.replays else self._accept(order)

    def _accept(self, order: OrderRequest) -> OrderAck:
        self.sent.append(order)
        self.exchange.catch_up()
        if order.symbol not in traded_symbols(self.exchange):
            raise Rejected("EQuery:Unknown asset pair")
        price = Price(self.exchange.view.last(str(order.symbol)), order.symbol)
        if words := instrument_of(self.exchange, order.symbol).below_minimum(order.size, order.limit_price or price):
            raise Rejected(words, Refusal.MINIMUM)
        ticket = Ticket(
            self.exchange.rules.base(str(order.symbol)),
            PaperSide(order.side.value),
            OrderType.LIMIT if order.limit_price else OrderType.MARKET,
            order.size.amount,
            limit=order.limit_price.amount if order.limit_price else None,
            post_only=order.post_only,
            fee_in_base=self._fee_in_base(order),
            time_in_force=TimeInForce.GTC if order.rests or not order.limit_price else TimeInForce.IOC,
            client_id=order.client_order_id,
        )
        placed = self.exchange.place(self.books, ticket)
        if isinstance(placed, Denial):
            refusal = Refusal.FUNDS if placed is Denial.INSUFFICIENT_FUNDS else Refusal.OTHER
            raise Rejected(placed.value, refusal)
        return OrderAck(placed.id)


def traded_symbols(exchange: Exchange) -> list[Symbol]:
    """Return the dollar pairs of the exchange's market."""
    return [Symbol.parse(name) for name in exchange.market.feeds if name.endswith("/USD")]


def instrument_of(exchange: Exchange, symbol: Symbol) -> Instrument:
    """Return a pair's rules."""
    found = exchange.rules.base(str(symbol))
    return Instrument(symbol, found.lot, found.tick, found.order_min, found.cost_min)


def shown(order: Order) -> VenueOrder:
    """Return the exchange's record of an order as the port has it."""
    symbol, ticket = Symbol.parse(order.instrument.symbol), order.ticket
    return VenueOrder(
        venue_order_id=order.id,
        client_order_id=ticket.client_id,
        symbol=symbol,
        side=Side(order.side.value),
        status=VenueOrderStatus.OPEN if order.is_open else VenueOrderStatus.DONE,
        filled=Quantity(order.filled, symbol.base),
        cost=Money(order.cost, symbol.quote),
        fee=order.fee,
        fee_asset=symbol.base if ticket.fee_in_base else symbol.quote,
        opened_at=round(order.accepted_at * 1000),
        closed_at=None if order.is_open else round(order.closed_at * 1000),
        reason=order.reason,
        size=Quantity(order.size, symbol.base),
        limit_price=Price(order.limit, symbol) if order.limit else None,
        rests=ticket.limit is not None and ticket.time_in_force is TimeInForce.GTC,
        post_only=ticket.post_only,
    )


def worth(size: Decimal, price: Decimal) -> Decimal:
    """Return an exact product."""
    return size * price if size else ZERO
