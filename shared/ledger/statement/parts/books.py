"""What the statement reads of one symbol: each fill of the master beside its copy, and the user's own exits. Pure values.

Sizes in base units, `gross` and fees in quote units, prices in quote units per base unit. Every size of a copy is what filled,
never what was requested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.order import Side
from shared.domain.values.money import ONE, ZERO
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class Traded:
    """What was bought or sold: `gross` is paid or received before fees, `fee` was taken in quote."""

    size: Decimal
    gross: Decimal
    fee: Decimal
    base_fee: Decimal = ZERO
    """The fee that was taken in base; only of copies."""


NOT_TRADED: Final = Traded(ZERO, ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class Entry:
    """A fill by which the master bought, and its copy."""

    master: Traded
    at_equity: Decimal
    """The ideal size with the settings of the first decision: only the ratio of the equities has changed since."""
    ideal: Decimal
    """The ideal size: by the equities and the multiplier of this decision."""
    copy: Traded = NOT_TRADED
    allowed: Decimal | None = None
    """The size that a limit left of the ideal one; None if no limit cut it."""
    missed: str = ""
    """Why not all of the order was bought, as a code; blank if all was."""
    done: Decimal = ONE
    """The share (0..1) of the order that was bought; one where nothing was missed."""
    market: Decimal | None = None
    """The price that was published when the venue had taken the copy; None if it is not known."""
    rested: bool = False
    """Whether the copy was an order that rested: it waited for its own price, which is no delay."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A fill by which the master sold the `share` (0..1) of its position, and its copy."""

    master: Traded
    share: Decimal
    copy: Traded = NOT_TRADED
    missed: str = ""
    """Why less was sold than the share, as a code; blank if it was sold, or if the user held nothing."""
    done: Decimal = ONE
    """The share of what the user held that was sold, where something was missed."""
    market: Decimal | None = None
    """As that of an entry."""
    rested: bool = False


@dataclass(frozen=True, slots=True)
class OwnExit:
    """A sale by a rule of the user's own (`code`: `stop_loss`, ...) of the `share` of what was held."""

    code: str
    share: Decimal
    copy: Traded


@dataclass(frozen=True, slots=True)
class LateTrade:
    """A trade of this period that copies a fill of the master from before it."""

    side: Side
    copy: Traded


Event = Entry | Exit | OwnExit | LateTrade


@dataclass(frozen=True, slots=True)
class SymbolBook:
    """One symbol over the period: what was held when it began, what happened, and the prices at both of its ends."""

    symbol: Symbol
    master_opening: Decimal
    """What the master held when the period began."""
    opening: Decimal
    """What the user held from copying when the period began."""
    opening_price: Decimal
    closing_price: Decimal
    events: Sequence[Event]
