"""What was booked of a resting leg so far: fills are booked as they are seen, and the rest of them when the leg has ended.

Kept in the order's record beside the totals of the legs that have ended, and written in the same step as the position, so that no
fill is booked twice or lost. The venue's sums only grow; what does not is not booked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from shared.domain.values.money import ZERO, Money, Quantity, plain
from shared.venues.port import VenueOrder

_FILLED: Final = "leg_filled"
_COST: Final = "leg_cost"
_FEE: Final = "leg_fee"


@dataclass(frozen=True, slots=True)
class LegParts:
    """The sums of a leg that are in the books: base, and quote."""

    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO

    @staticmethod
    def read(fields: Mapping[str, str]) -> LegParts:
        """Parse them from the record of an order. Raises ArithmeticError if one is damaged."""
        return LegParts(*(Decimal(fields.get(name) or 0) for name in (_FILLED, _COST, _FEE)))

    @staticmethod
    def of(order: VenueOrder) -> LegParts:
        """Return the sums of a leg all of which is booked now."""
        return LegParts(order.filled.amount, order.cost.amount, order.fee)

    def fields(self) -> dict[str, str]:
        """Return them as fields of the order's record."""
        return {_FILLED: plain(self.filled), _COST: plain(self.cost), _FEE: plain(self.fee)}

    def rest_of(self, order: VenueOrder) -> VenueOrder:
        """Return a leg's record with the sums that are not booked yet; nothing filled if nothing new has."""
        filled = order.filled.amount - self.filled
        if filled <= 0:
            filled, cost, fee = ZERO, ZERO, ZERO
        else:
            cost, fee = max(order.cost.amount - self.cost, ZERO), max(order.fee - self.fee, ZERO)
        return replace(
            order, filled=Quantity(filled, order.filled.asset), cost=Money(cost, order.cost.currency), fee=fee
        )
