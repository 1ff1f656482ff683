"""The money and coins of one account in a backtest, and every fill that changed them. Exact: amounts are never floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.limits.risk_state import realized_by
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class BookedFill:
    """One fill. `at` is epoch ms; amounts of money are in the account's currency."""

    at: int
    symbol: Symbol
    side: Side
    size: Quantity
    price: Price
    fee: Money
    reason: str
    realized: Money | None = None
    """What a sale realised, both fees included."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position from its first purchase until nothing that can be sold was left, and what it made with all fees."""

    symbol: Symbol
    opened_at: int
    closed_at: int
    made: Money


class Ledger:
    """Cash and positions. It books what it is given: whether an order is allowed is decided before."""

    def __init__(self, cash: Money, taker_fee: Decimal, prices: Mapping[Symbol, Price]) -> None:
        """`prices` are the latest ones, kept up to date by their owner; `taker_fee` is a fraction of the cost."""
        self.currency = cash.currency
        self.cash = cash
        self.taker_fee = taker_fee
        self.prices = prices
        self.positions: dict[Symbol, Position] = {}
        self.fills: list[BookedFill] = []
        self.round_trips: list[RoundTrip] = []
        self.fees = Money(ZERO, cash.currency)
        self.open: set[Symbol] = set()
        """What is held and can be sold; what is below the venue's minimum is not among them."""
        self._made: dict[Symbol, Money] = {}

    def can_buy(self, size: Quantity, price: Price) -> bool:
        """Return whether the cash pays for a purchase and its fee."""
        return size.amount * price.amount * (ONE + self.taker_fee) <= self.cash.amount

    def buy(self, symbol: Symbol, size: Quantity, price: Price, at: int, reason: str) -> None:
        """Book a purchase; the fee is part of the position's cost."""
        cost = size * price
        fee = cost.scaled(self.taker_fee)
        held = self.positions.get(symbol) or Position.flat(symbol, at)
        self.positions[symbol] = held.bought(size, cost + fee, at, price)
        self.open.add(symbol)
        self.cash = self.cash - cost - fee
        self.fees = self.fees + fee
        self.fills.append(BookedFill(at, symbol, Side.BUY, size, price, fee, reason))

    def sell(self, symbol: Symbol, size: Quantity, price: Price, at: int, reason: str, *, closes: bool) -> Money:
        """Book a sale out of a position; return what it realised. `closes`: nothing that can be sold is left."""
        held = self.positions[symbol]
        proceeds = size * price
        fee = proceeds.scaled(self.taker_fee)
        realized = realized_by(held, size, proceeds, fee)
        left = held.sold(size, at)
        self.cash = self.cash + proceeds - fee
        self.fees = self.fees + fee
        self.fills.append(BookedFill(at, symbol, Side.SELL, size, price, fee, reason, realized))
        made = self._made.pop(symbol, Money(ZERO, self.currency)) + realized
        if closes:
            self.open.discard(symbol)
            self.round_trips.append(RoundTrip(symbol, held.opened_at, at, made))
        else:
            self._made[symbol] = made
        if left.size.amount:
            self.positions[symbol] = left
        else:
            del self.positions[symbol]
        return realized

    @property
    def equity(self) -> Money:
        """The cash, and the positions at their latest prices."""
        total = self.cash.amount
        for symbol, position in self.positions.items():
            total += position.size.amount * self.prices[symbol].amount
        return Money(total, self.currency)
