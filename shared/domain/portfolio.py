"""A user's copied positions at market prices: the figures behind limits on positions and on losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from shared.domain.position import Position
from shared.domain.values.currency import counted_in
from shared.domain.values.money import ZERO, Money, Price
from shared.domain.values.symbol import Symbol

RESIDUE: Final = Decimal(1)
"""A position worth less than this in quote is dust: no venue buys it back, so it does not count as a position."""


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Copied positions and their last known prices. Without a price, a position is valued at its cost."""

    positions: Mapping[Symbol, Position] = field(default_factory=dict)
    prices: Mapping[Symbol, Price] = field(default_factory=dict)

    def value(self, position: Position) -> Money:
        """Return the market value of a position."""
        price = self.prices.get(position.symbol)
        return position.cost if price is None else position.size * price

    def exposure(self, currency: str, base: str = "") -> Money:
        """Return the market value of all positions, or of those in the asset `base`."""
        total = Money(ZERO, currency)
        for position in self.positions.values():
            if not base or position.symbol.base == base:
                total = total + (counted_in(self.value(position), currency) or Money(ZERO, currency))
        return total

    def exposure_for(self, master: str, currency: str) -> Money:
        """Return the market value of what is held for one master."""
        books = (position.book(master) for position in self.positions.values())
        return Portfolio({book.symbol: book for book in books}, self.prices).exposure(currency)

    def assets(self) -> frozenset[str]:
        """Return the assets held, each counted once whatever it is quoted in; dust is left out."""
        return frozenset(
            position.symbol.base for position in self.positions.values() if self.value(position).amount >= RESIDUE
        )

    def unrealized(self, currency: str) -> Money:
        """Return the unrealised profit: value less cost, buying fees included. A position without a price adds nothing."""
        total = Money(ZERO, currency)
        for position in self.positions.values():
            gain = counted_in(self.value(position) - position.cost, currency)
            total = total if gain is None else total + gain
        return total
