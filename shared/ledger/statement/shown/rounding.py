"""Rounds amounts for people so that what is shown still adds up.

Rounding each amount by itself would leave sums that are a cent off. Here the amounts are rounded down, and the cents that are
missing in the rounded total go to those that lost most: each is shown at most a cent from its exact value, and one that is
whole cents is shown as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

from shared.domain.values.money import ZERO
from shared.ledger.statement.parts.exact import exactly, rounded

CENT: Final = Decimal("0.01")


def round_parts(amounts: Sequence[Decimal], *, total: Decimal | None = None) -> list[Decimal]:
    """Return the amounts in cents; they add up to `total` (in cents), or to their own sum rounded to cents.

    A given `total` must be within one cent of the sum of the amounts, as that of a part that was rounded here is.
    """
    with exactly():
        floors = [rounded(amount, CENT, ROUND_FLOOR) for amount in amounts]
        aim = rounded(sum(amounts, ZERO), CENT, ROUND_HALF_EVEN) if total is None else total
        missing = int((aim - sum(floors, ZERO)) / CENT)
        by_loss = sorted(range(len(amounts)), key=lambda place: floors[place] - amounts[place])
        for place in by_loss[:missing]:
            floors[place] += CENT
    return floors
