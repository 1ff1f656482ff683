"""What a user holds from copying, at market: the figures that limits on positions and on losses are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from shared.domain.account import Position
from shared.domain.values.currency import counted_in
from shared.domain.values.money import ZERO, Money, Price
from shared.domain.values.symbol import Symbol

RESIDUE: Final = Decimal(1)
"""Worth less than this in quote, what is left of a position is dust that no venue takes back; it fills no place."""


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Copied positions and the last prices known. Where a price is missing, what was paid stands in for it."""

    positions: Mapping[Symbol, Position] = field(default_factory=dict)
    prices: Mapping[Symbol, Price] = field(default_factory=dict)

    def value(self, position: Position) -> Money:
        """Value a position at market."""
        price = self.prices.get(position.symbol)
        return position.cost if price is None else position.size * price

    def exposure(self, currency: str, base: str = "") -> Money:
        """Sum up what is held at market, of one asset if `base` names it, of all otherwise."""
        total = Money(ZERO, currency)
        for position in self.positions.values():
            if not base or position.symbol.base == base:
                total = total + (counted_in(self.value(position), currency) or Money(ZERO, currency))
        return total

    def assets(self) -> frozenset[str]:
        """Name the assets held: each is one position, whatever it is quoted in; dust is none."""
        return frozenset(
            position.symbol.base for position in self.positions.values() if self.value(position).amount >= RESIDUE
        )

    def unrealized(self, currency: str) -> Money:
        """Sum up what the positions are worth above their cost, fees of buying included. Without a price: nothing."""
        total = Money(ZERO, currency)
        for position in self.positions.values():
            gain = counted_in(self.value(position) - position.cost, currency)
            total = total if gain is None else total + gain
        return total
