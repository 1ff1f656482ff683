"""What is known of an account as of an instant, and what is held in it from copying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity, floor_to
from shared.domain.values.symbol import Symbol

MASTER = "master"
"""The name under which the master's own keys in Redis stand; no user may have it."""


EVERY_POSITION: Final = "every position"
"""Stands for the name of a record where not even the names can be read."""


class AccountState(StrEnum):
    """Whether an account can trade; a parked one has a reason that the operator sees."""

    CONNECTING = "connecting"
    READY = "ready"
    PARKED = "parked"


class Account(NamedTuple):
    """An account at a venue as of `as_of` (epoch ms). Without balances it is unknown, never zero.

    An equity that is not fully known: of the master None, of a user what is known at least; `reason` says what is missing.
    """

    user: str
    venue: str
    state: AccountState
    reason: str
    equity: Money | None
    cash: Money | None
    taker_fee: Decimal
    as_of: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a user holds from copying, as far as its records can be read; `unreadable` says why by name of the record.

    Whoever protects or sells goes on with what can be read. Whoever judges by all of it must ask for `whole()`.
    """

    positions: Mapping[Symbol, Position]
    unreadable: Mapping[str, str]

    def whole(self) -> Mapping[Symbol, Position]:
        """Return all positions. Raises ValueError that names the records that cannot be read."""
        if self.unreadable:
            said = [f"the position of {name} cannot be read: {why}" for name, why in self.unreadable.items()]
            raise ValueError("; ".join(said))
        return self.positions

    def may_hold(self, asset: str) -> bool:
        """Say whether one of the records that cannot be read may be of this asset."""
        return any(name.partition("/")[0] in {asset, EVERY_POSITION} for name in self.unreadable)


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
        high = None if new else self.high
        held = Position(self.symbol, self.size + size, self.cost + cost, opened, at, high)
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
