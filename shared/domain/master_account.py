"""What happened on the master's account but was not copied, and what it holds of each coin beside the position.

Stable words and plain values: the master writes them, `ops` and the drift audit read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.domain.order import Side
from shared.domain.values.money import Quantity


class UncopiedReason(StrEnum):
    """Why an order on the master's account is not a signal. Unreadable rows have the venue port's own words."""

    TOO_LATE = "too_late"  # an entry that was found too late for users to follow
    ANOTHER_QUOTE = "another_quote"  # an entry paid in another currency than the one that is copied
    ANOTHER_SYMBOL = "another_symbol"  # an entry in a symbol that the file of this master leaves out
    MARGIN = "margin"
    SETTLEMENT = "settlement"
    SIZED_IN_QUOTE = "sized_in_quote"  # its size is an amount of the quote currency, not of the coin
    COPY_OF_A_USER = "copy_of_a_user"  # Shoal's own copy: a user's API key opens the master's account


class Baseline(StrEnum):
    """Whether coins that came without an order (held before, bought without an order, deposited) belong to the position."""

    SEPARATE = "separate"  # a sale is a fraction of what orders have bought
    WHOLE_POSITION = "whole_position"  # a sale is a fraction of all that the account holds


@dataclass(frozen=True, slots=True)
class UncopiedOrder:
    """An order, or part of one, that will never be copied. `size` is the part in question; None if unknown."""

    id: str
    reason: str
    why: str
    at: int
    symbol: str = ""
    side: Side | None = None
    size: Quantity | None = None


@dataclass(frozen=True, slots=True)
class MasterHolding:
    """One coin of the account as of a reading of its balances: all of it, and how much of it is not in the position.

    `total` includes what open orders hold and what is lent out or staked.
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
    """Return the coin of a balance: what is lent out or staked (`BTC.F`) still belongs to the master."""
    return asset.partition(".")[0]


def zero(coin: str) -> Quantity:
    """Return the zero amount of a coin."""
    return Quantity(Decimal(0), coin)
