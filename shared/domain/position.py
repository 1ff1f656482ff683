"""Positions: what a user holds from copying, by symbol, and what it cost.

A position only grows by fills of copied entries, so an exit that is sized by it never sells what the user bought on their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Final

from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity, floor_to
from shared.domain.values.symbol import Symbol

EVERY_POSITION: Final = "every position"
"""Used as the name of an unreadable record where not even the names can be read."""

_COST_STEP: Final = Decimal("1E-12")
_WIDE: Final = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a user holds from copying, as far as its records can be read; `unreadable` maps the name of a record to the error.

    Code that protects or sells continues with the readable positions. Code that needs all of them must call `whole()`.
    """

    positions: Mapping[Symbol, Position]
    unreadable: Mapping[str, str]

    def whole(self) -> Mapping[Symbol, Position]:
        """Return all positions. Raises ValueError that names the records that cannot be read."""
        if self.unreadable:
            errors = [f"the position of {name} cannot be read: {why}" for name, why in self.unreadable.items()]
            raise ValueError("; ".join(errors))
        return self.positions

    def may_hold(self, asset: str) -> bool:
        """Return whether one of the unreadable records may be of this asset."""
        return any(name.partition("/")[0] in {asset, EVERY_POSITION} for name in self.unreadable)


@dataclass(frozen=True, slots=True)
class Position:
    """What a user holds of a symbol from copying, and what it cost. Never what the user bought on their own."""

    symbol: Symbol
    size: Quantity
    cost: Money
    opened_at: int
    updated_at: int
    high: Price | None = None
    """The highest price seen since it was opened, for a trailing stop; None if no price was seen yet."""

    @staticmethod
    def flat(symbol: Symbol, at: int) -> Position:
        """Return the empty position."""
        return Position(symbol, Quantity(ZERO, symbol.base), Money(ZERO, symbol.quote), at, at)

    def bought(self, size: Quantity, cost: Money, at: int, price: Price | None = None) -> Position:
        """Return the position after a buy: `size` net of a fee in base, `cost` including fees, `price` the average fill price."""
        new = self.size.amount == 0
        opened = at if new else self.opened_at
        high = None if new else self.high
        held = Position(self.symbol, self.size + size, self.cost + cost, opened, at, high)
        return held if price is None else held.seen(price)

    def seen(self, price: Price) -> Position:
        """Return the position with its high-water mark raised to a price; the same object if the mark is not below it."""
        return replace(self, high=price) if self.high is None or self.high.amount < price.amount else self

    def sold(self, size: Quantity, at: int) -> Position:
        """Return the position after a sale; the cost shrinks in proportion. Selling more than is held leaves zero, no debt.

        The cost that is left is rounded to 12 decimals, so that what sales have made and the cost that is left add up exactly.
        """
        if self.size <= size:
            return replace(self, size=Quantity(ZERO, size.asset), cost=self.cost.scaled(ZERO), updated_at=at)
        left = self.size - size
        kept = _WIDE.divide(_WIDE.multiply(self.cost.amount, left.amount), self.size.amount)
        cost = Money(_WIDE.quantize(kept, _COST_STEP), self.cost.currency)
        return replace(self, size=left, cost=cost, updated_at=at)

    def portion(self, fraction: Decimal, lot_step: Decimal) -> Quantity:
        """Return the amount that an exit of `fraction` (0..1] sells of what is held, floored to the lot."""
        wanted = self.size.amount if fraction >= ONE else self.size.amount * fraction
        return Quantity(floor_to(wanted, lot_step), self.size.asset)
