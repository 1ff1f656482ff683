"""What is known of an account as of an instant, and what is held in it from copying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from shared.domain.currency import alike, like
from shared.domain.money import ONE, ZERO, Money, Price, Quantity, floor_to
from shared.domain.symbol import Symbol

MASTER = "master"
"""The name under which the master's own keys in Redis stand; no user may have it."""


class AccountState(StrEnum):
    """Whether an account can trade; a parked one has a reason that the operator sees."""

    CONNECTING = "connecting"
    READY = "ready"
    PARKED = "parked"


class Account(NamedTuple):
    """An account at a venue as of `as_of` (epoch ms). Without balances it is unknown, never zero."""

    user: str
    venue: str
    state: AccountState
    reason: str
    equity: Money | None
    cash: Money | None
    taker_fee: Decimal
    as_of: int


def equity(cash: Money, holdings: Mapping[str, Decimal], prices: Mapping[Symbol, Price]) -> Money:
    """Add cash and holdings at market, in the currency of `cash`; what has no price there counts nothing.

    Taken the same way for the master and for every user, so that their ratio is fair. The dollar's coin counts as a dollar, and a
    price in one of the two does where there is none in the other.
    """
    total = cash
    for asset, amount in holdings.items():
        if asset == cash.currency or amount == 0:
            continue
        price = prices.get(Symbol(asset, cash.currency))
        if price is not None:
            total = total + Quantity(amount, asset) * price
            continue
        worth = Money(amount, asset) if alike(asset, cash.currency) else _worth(Quantity(amount, asset), cash, prices)
        if worth is not None:
            total = total + Money(worth.amount, cash.currency)
    return total


def _worth(held: Quantity, cash: Money, prices: Mapping[Symbol, Price]) -> Money | None:
    for currency in like(cash.currency):
        if (price := prices.get(Symbol(held.asset, currency))) is not None:
            return held * price
    return None


@dataclass(frozen=True, slots=True)
class Position:
    """What a user holds of a symbol from copying, and what it cost. Never what the user bought by himself."""

    symbol: Symbol
    size: Quantity
    cost: Money
    opened_at: int
    updated_at: int
    high: Price | None = None
    """The highest price seen since it was opened, for a trailing stop; None if none was looked at."""

    @staticmethod
    def flat(symbol: Symbol, at: int) -> Position:
        """Give the empty position."""
        return Position(symbol, Quantity(ZERO, symbol.base), Money(ZERO, symbol.quote), at, at)

    def bought(self, size: Quantity, cost: Money, at: int, price: Price | None = None) -> Position:
        """Add a fill; `size` is what arrived (after a fee in base), `cost` what was paid with fees, `price` the average fill."""
        new = self.size.amount == 0
        opened = at if new else self.opened_at
        held = replace(
            self,
            size=self.size + size,
            cost=self.cost + cost,
            opened_at=opened,
            updated_at=at,
            high=None if new else self.high,
        )
        return held if price is None else held.seen(price)

    def seen(self, price: Price) -> Position:
        """Raise the high-water mark to a price; it never falls. The same object if there is nothing to raise."""
        return replace(self, high=price) if self.high is None or self.high.amount < price.amount else self

    def sold(self, size: Quantity, at: int) -> Position:
        """Take a fill away; the cost shrinks in proportion. Selling more than is held leaves zero, never a debt."""
        if self.size <= size:
            return replace(self, size=Quantity(ZERO, size.asset), cost=self.cost.scaled(ZERO), updated_at=at)
        kept = ONE - size.amount / self.size.amount
        return replace(self, size=self.size - size, cost=self.cost.scaled(kept), updated_at=at)

    def portion(self, fraction: Decimal, lot_step: Decimal) -> Quantity:
        """Give the amount that a close of `fraction` (0..1] sells: of what is held, floored to the lot."""
        wanted = self.size.amount if fraction >= ONE else self.size.amount * fraction
        return Quantity(floor_to(wanted, lot_step), self.size.asset)
