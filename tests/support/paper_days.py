"""Random days of one account at the paper exchange's own core, booked step by step as the executor books what a venue shows.

The exchange's books are its balances and trades. What Shoal keeps of the same day is a hash of positions, a hash of sums of
trades and a stream of reports, as texts, as they are in Redis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Final

from services.executor.account.faults import AccountFaults
from services.executor.account.performance.trade_sums import sums_after, sums_after_end
from services.executor.mirroring.leg_parts import LegParts
from services.paper_exchange.core.account import Account
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Side as ExchangeSide
from services.paper_exchange.core.order import Order, OrderType, Ticket, TimeInForce
from shared.bus.flow.streams import Entry
from shared.bus.order.book_changes import TotalsChange
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.contracts.position_record import read_position, write_position
from shared.domain.fault import Faults
from shared.domain.order import Kind, OrderState, Side
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.booking import position_after
from shared.execution.totals import LegTotals
from shared.venues.port import VenueOrder, VenueOrderStatus
from tests.support.examples import an_id
from tests.unit.paper_exchange.venue import Venue

SYMBOLS: Final = (Symbol("BTC", "USD"), Symbol("ETH", "USD"), Symbol("DOGE", "USD"))
START: Final = Decimal(1_000_000)
_FIRST_PRICES: Final = (Decimal(60_000), Decimal(3_000), Decimal("0.2"))


@dataclass(slots=True)
class BookedAccount:
    """What Shoal keeps of one account, as it is written in Redis."""

    user: str
    venue: str = "kraken"
    positions: dict[str, str] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    reports: list[Entry] = field(default_factory=list)
    _parts: dict[str, LegParts] = field(default_factory=dict)

    def book(self, order: VenueOrder, at: int, *, ended: bool) -> None:
        """Book what an order has filled since it was last booked; with its end, its report."""
        part = self._parts.get(order.venue_order_id, LegParts()).rest_of(order)
        change = None
        if part.filled.amount > 0:
            change = self._fill(part, at, ends=ended)
        elif ended and order.filled.amount > 0:
            faults = AccountFaults(Faults(), self.user, self.venue)
            change = sums_after_end(faults, self.sums.get(str(order.symbol)), order.symbol)
        if change is not None:
            self.sums[change.symbol] = change.record
        self._parts[order.venue_order_id] = LegParts.of(order)
        if ended:
            self._report(order, at)

    def _fill(self, part: VenueOrder, at: int, *, ends: bool) -> TotalsChange | None:
        name = str(part.symbol)
        before = read_position(self.positions[name]) if name in self.positions else Position.flat(part.symbol, at)
        held = position_after(before, part, at)
        self.positions.pop(name, None)
        if held.size.amount > 0:
            self.positions[name] = write_position(held)
        faults = AccountFaults(Faults(), self.user, self.venue)
        return sums_after(faults, self.sums.get(name), part, before, held, at, ends=ends)

    def _report(self, order: VenueOrder, at: int) -> None:
        total = LegTotals.nothing(order.symbol).plus(order)
        report = ReportMessage.of(
            id=an_id(f"report {order.venue_order_id}"),
            order_id=an_id(order.venue_order_id),
            user=self.user,
            venue=self.venue,
            symbol=order.symbol,
            side=order.side,
            kind=Kind.ENTRY if order.side is Side.BUY else Kind.EXIT,
            outcome=OrderState.FILLED if order.filled.amount else OrderState.EXPIRED,
            filled_size=total.filled.amount,
            average_price=total.average_price.shown() if total.average_price else None,
            fee=total.fee.amount,
            **total.report_fields(),
            settled_at=at,
        )
        self.reports.append(Entry(keys.reports(self.user), f"{len(self.reports) + 1}-0", report.fields()))


class PaperDay:
    """One random day of one account: orders at market and at a limit, fills in parts, fees in quote and in base, dust."""

    def __init__(self, seed: int, steps: int = 30) -> None:
        self._random = Random(seed)
        self.venue = Venue(market={"pairs": [str(symbol) for symbol in SYMBOLS]})
        self.venue.client("alice", balances={"USD": str(START)})
        self.exchange: Exchange = self.venue.exchange
        self.account: Account = self.exchange.accounts["alice", "kraken"]
        self.prices = dict(zip(SYMBOLS, _FIRST_PRICES, strict=True))
        self.booked = BookedAccount("alice")
        self._open: dict[str, Order] = {}
        self._at = 1_763_829_000_000
        for symbol in SYMBOLS:
            self._move(symbol)
        for _ in range(steps):
            self._step()
        for order in list(self._open.values()):
            self.exchange.cancel(order)
        self._look()

    def published(self) -> dict[Symbol, tuple[Price, int]]:
        """Return the prices at the end of the day as Redis has them."""
        return {symbol: (Price(price, symbol), self._at) for symbol, price in self.prices.items()}

    def _step(self) -> None:
        self._at += 60_000
        self.venue.clock.advance(60)
        symbol = self._random.choice(SYMBOLS)
        if self._random.random() < 0.35:
            self._move(symbol)
        elif self._open and self._random.random() < 0.15:
            self.exchange.cancel(self._random.choice(list(self._open.values())))
        else:
            self._order(symbol)
        self._look()

    def _move(self, symbol: Symbol) -> None:
        factor = Decimal(self._random.randint(9_700, 10_300)) / 10_000
        instrument = self.exchange.kind.instruments[str(symbol)]
        price = (self.prices[symbol] * factor).quantize(instrument.tick)
        self.prices[symbol] = price
        self.exchange.set_price(str(symbol), price)

    def _order(self, symbol: Symbol) -> None:
        instrument, price = self.exchange.kind.instruments[str(symbol)], self.prices[symbol]
        held = self.account.balances[symbol.base]
        side = ExchangeSide.SELL if held and self._random.random() < 0.5 else ExchangeSide.BUY
        share = Decimal(self._random.choice([1, 7, 30, 100, 3_000])) / 100
        size = held * min(share, Decimal(1)) if side is ExchangeSide.SELL else share * 1_000 / price
        rests = self._random.random() < 0.4
        away = Decimal(self._random.randint(-200, 200)) / 10_000
        ticket = Ticket(
            instrument,
            side,
            OrderType.LIMIT if rests else OrderType.MARKET,
            instrument.floor_size(size),
            limit=instrument.round_price(price * (1 + away), side) if rests else None,
            fee_in_base=self._random.random() < 0.4,
            time_in_force=self._random.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
        )
        if self._random.random() < 0.3:
            self.exchange.faults.arm(self._random.choice(["partial_fill", "partial_fill_then_cancel"]), count=1)
        if ticket.size > 0 and isinstance(order := self.exchange.place(self.account, ticket), Order):
            self._open[order.id] = order

    def _look(self) -> None:
        """Book what the venue shows of every order that has not ended."""
        self.exchange.catch_up()
        for order in list(self._open.values()):
            ended = not order.is_open
            self.booked.book(self._shown(order), self._at, ended=ended)
            if ended:
                del self._open[order.id]

    def _shown(self, order: Order) -> VenueOrder:
        symbol = Symbol.parse(order.instrument.symbol)
        in_base = order.ticket.fee_in_base
        return VenueOrder(
            venue_order_id=order.id,
            client_order_id=order.id,
            symbol=symbol,
            side=Side(order.side.value),
            status=VenueOrderStatus.OPEN if order.is_open else VenueOrderStatus.DONE,
            filled=Quantity(order.filled, symbol.base),
            cost=Money(order.cost, symbol.quote),
            fee=order.fee,
            fee_asset=symbol.base if in_base else symbol.quote,
            opened_at=self._at,
            closed_at=None if order.is_open else self._at,
            reason="",
        )
