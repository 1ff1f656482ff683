"""What the master's account did that was not copied, and what it holds of each coin beside the position.

Stable words and plain values: the master writes them, `ops` and the audit of drift read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.domain.order import Side
from shared.domain.values.money import Quantity


class UncopiedReason(StrEnum):
    """Why an order of the master's account is no signal. Rows that cannot be read have the venue port's own words."""

    TOO_LATE = "too_late"  # an entry that was found when users could no longer follow it
    ANOTHER_QUOTE = "another_quote"  # an entry that was paid for with another currency than the one that is copied
    MARGIN = "margin"
    SETTLEMENT = "settlement"
    SIZED_IN_QUOTE = "sized_in_quote"  # its size makes no sense as an amount of the coin
    COPY_OF_A_USER = "copy_of_a_user"  # Shoal's own copy: the user's key opens the master's account


class Baseline(StrEnum):
    """Whether coins that came without an order (held before, bought with a button, deposited) belong to the position."""

    SEPARATE = "separate"  # a sale is a fraction of what orders have bought
    WHOLE_POSITION = "whole_position"  # a sale is a fraction of all that the account holds


@dataclass(frozen=True, slots=True)
class UncopiedOrder:
    """An order, or the part of one, that was passed over for good. `size` is what of it was; None where that is not known."""

    id: str
    reason: str
    why: str
    at: int
    symbol: str = ""
    side: Side | None = None
    size: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """One coin of the account as of a reading of its balances: all of it, and how much of that is not in the position.

    `total` counts what open orders hold and what is lent out or staked.
    """

    total: Quantity
    apart: Quantity
    baseline: Baseline
    as_of: int

    @property
    def coin(self) -> str:
        """Return the coin's name."""
        return self.total.asset


def coin_of(asset: str) -> str:
    """Return the coin that a balance is of: what is lent out or staked (`BTC.F`) is still the master's."""
    return asset.partition(".")[0]


def zero(coin: str) -> Quantity:
    """Return no amount of a coin."""
    return Quantity(Decimal(0), coin)
