"""The state of a fake venue: the market that all accounts see, and what the venue knows of one account.

Plain values for tests to set up and to compare with; the calls are in `fake.py`. It must never decide anything that a real
venue would not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

from shared.domain.key_report import Finding
from shared.domain.order import Side
from shared.domain.values.instrument import Instrument, seed_instruments
from shared.domain.values.money import ZERO, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.port import Candle, OmittedRow, VenueOrder, VenueOrderStatus


@dataclass
class FakeMarket:
    """Prices and pairs that every account sees. Assign to them to steer the market."""

    prices: dict[Symbol, Decimal] = field(default_factory=dict)
    instruments: dict[Symbol, Instrument] = field(default_factory=lambda: dict(seed_instruments(VenueName.KRAKEN)))
    candles: dict[Symbol, list[Candle]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    """Old name to new name, as the venue's own lists have it."""


@dataclass(frozen=True)
class Stop:
    """At which price a sale is made, and by which limit; None: at market."""

    price: Price
    limit: Price | None


@dataclass
class FakeAccount:
    """What the venue knows of one account: the truth that tests compare with."""

    balances: dict[str, Decimal] = field(default_factory=dict)
    taker_fee: Decimal = Decimal("0.004")
    pair_fees: dict[Symbol, Decimal] = field(default_factory=dict)
    """Fees of pairs that have their own schedule."""
    staked: dict[str, Decimal] = field(default_factory=dict)
    """Amounts that are lent out or staked, by coin: they cannot be traded."""
    fee_in_base: bool = False
    replays: bool = False
    """Whether a client id that is placed twice returns the first order, at a venue without nonces; else it buys twice."""
    fill_share: Decimal = Decimal(1)
    """Share of each order that fills; the rest of an immediate order is cancelled."""
    rests: bool = False
    """Whether new orders stay open, unfilled, until `finish` is called."""
    may_cancel: bool = True
    """Whether the key has the right to cancel orders."""
    fills_on_cancel: bool = False
    """Whether an open order fills while its cancel is on the way."""
    orders: list[VenueOrder] = field(default_factory=list)
    last_nonce: int = 0
    hidden_lookups: int = 0
    """How many further lookups of orders find nothing."""
    left_out: list[OmittedRow] = field(default_factory=list)
    """Rows of ended orders that the adapter cannot read."""
    unreadable_balances: set[str] = field(default_factory=set)
    key_findings: list[Finding] = field(default_factory=list)
    """What the venue says of the account's key."""
    lagging: dict[str, Decimal] = field(default_factory=dict)
    """The amounts that have arrived and are not in the balances yet, by asset."""
    ids: count[int] = field(default_factory=lambda: count(1))
    stops: dict[str, Stop] = field(default_factory=dict)
    """The prices of stops, by the id of their orders."""
    listeners: list[Callable[[VenueOrder], None]] = field(default_factory=list)
    """Called with each order as it is after every change, right when that happens."""

    def fee_of(self, symbol: Symbol) -> Decimal:
        """Return the taker fee of a pair."""
        return self.pair_fees.get(symbol, self.taker_fee)

    def move(self, asset: str, amount: Decimal) -> None:
        """Add an amount to a balance."""
        self.balances[asset] = self.balances.get(asset, ZERO) + amount

    def shown(self) -> dict[str, Decimal]:
        """Return the balances as a query shows them."""
        return {asset: total - self.lagging.get(asset, ZERO) for asset, total in self.balances.items()}

    def fill_part(self, venue_order_id: str, part: Quantity, price: Price) -> VenueOrder:
        """Execute a part of an open order, free of fees, and leave it open."""
        index, order = next((i, o) for i, o in enumerate(self.orders) if o.venue_order_id == venue_order_id)
        sign = 1 if order.side is Side.BUY else -1
        self.move(order.symbol.base, sign * part.amount)
        self.move(order.symbol.quote, -sign * (part * price).amount)
        return self._put(index, replace(order, filled=order.filled + part, cost=order.cost + part * price))

    def end(self, venue_order_id: str, now: int, reason: str = "") -> VenueOrder:
        """End an open order with what it has filled."""
        index, order = next((i, o) for i, o in enumerate(self.orders) if o.venue_order_id == venue_order_id)
        return self._put(index, replace(order, status=VenueOrderStatus.DONE, closed_at=now, reason=reason))

    def fill_resting(self, venue_order_id: str, part: Quantity, price: Price, now: int) -> VenueOrder:
        """Execute a part of an open order, with its fee in quote, and end the order once nothing of it is left."""
        index, order = next((i, o) for i, o in enumerate(self.orders) if o.venue_order_id == venue_order_id)
        fee = (part * price).amount * self.fee_of(order.symbol)
        filled = self.fill_part(venue_order_id, part, price)
        self.move(order.symbol.quote, -fee)
        filled = self._put(index, replace(filled, fee=filled.fee + fee))
        return self.end(venue_order_id, now) if order.size is not None and filled.filled >= order.size else filled

    def meet(self, price: Price, now: int) -> None:
        """Execute the rest of each resting order that a price reaches, at its limit; of a stop at the price itself."""
        for order in list(self.orders):
            stop = self.stops.get(order.venue_order_id)
            if stop is not None and order.status is VenueOrderStatus.OPEN and order.symbol == price.symbol:
                self._meet_stop(order, stop, price, now)
                continue
            if order.status is not VenueOrderStatus.OPEN or not order.rests or order.symbol != price.symbol:
                continue
            if order.size is None or order.limit_price is None:
                continue
            below = price.amount <= order.limit_price.amount
            if below if order.side is Side.BUY else price.amount >= order.limit_price.amount:
                self.fill_resting(order.venue_order_id, order.size - order.filled, order.limit_price, now)

    def _meet_stop(self, order: VenueOrder, stop: Stop, price: Price, now: int) -> None:
        if price.amount > stop.price.amount or order.size is None:
            return
        if stop.limit is None or price.amount >= stop.limit.amount:  # else it rests by its limit, and may never fill
            self.fill_resting(order.venue_order_id, order.size - order.filled, price, now)

    def held(self) -> dict[str, Decimal]:
        """Return what resting orders hold, by asset."""
        found: dict[str, Decimal] = {}
        for order in self.orders:
            if order.venue_order_id in self.stops and order.status is VenueOrderStatus.OPEN and order.size is not None:
                found[order.symbol.base] = found.get(order.symbol.base, ZERO) + (order.size - order.filled).amount
                continue
            if order.status is VenueOrderStatus.OPEN and order.rests and order.size is not None and order.limit_price:
                left = order.size - order.filled
                asset, amount = order.symbol.base, left.amount
                if order.side is Side.BUY:
                    asset, amount = (
                        order.symbol.quote,
                        (left * order.limit_price).amount * (1 + self.fee_of(order.symbol)),
                    )
                found[asset] = found.get(asset, ZERO) + amount
        return found

    def finish(self, venue_order_id: str, share: Decimal, price: Price, size: Quantity, now: int) -> VenueOrder:
        """Execute `share` of `size` at `price` and end the order."""
        index, order = next((i, o) for i, o in enumerate(self.orders) if o.venue_order_id == venue_order_id)
        filled = size.scaled(share)
        cost = filled * price
        sign = 1 if order.side is Side.BUY else -1
        fee_asset = order.symbol.base if self.fee_in_base else order.symbol.quote
        fee = (filled.amount if self.fee_in_base else cost.amount) * self.fee_of(order.symbol)
        self.move(order.symbol.base, sign * filled.amount)
        self.move(order.symbol.quote, -sign * cost.amount)
        self.move(fee_asset, -fee)
        done = replace(
            order,
            status=VenueOrderStatus.DONE,
            filled=filled,
            cost=cost,
            fee=fee,
            fee_asset=fee_asset,
            closed_at=now,
            reason="" if share == 1 else "IOC order cancelled after a partial match",
        )
        return self._put(index, done)

    def open(self, order: VenueOrder) -> None:
        """Take an order."""
        self.orders.append(order)
        self._notify(order)

    def _put(self, index: int, order: VenueOrder) -> VenueOrder:
        self.orders[index] = order
        self._notify(order)
        return order

    def _notify(self, order: VenueOrder) -> None:
        for listener in self.listeners:
            listener(order)
