"""The causes by which a copy differs from the master, in the order in which the statement applies them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from shared.domain.reason import ReasonCode


class Cause(StrEnum):
    """One part of a statement. The order is that of the counterfactuals: see README.md."""

    RATIO = "ratio"  # the ratio of the equities, or the multiplier, has changed within the period
    CARRIED = "carried"  # the user began the period with another position than the master's at scale
    SKIPPED = "skipped"  # not copied, or not in full, by code
    LIMITS = "limits"  # a limit of the user cut the size
    OWN_EXITS = "own_exits"  # sold by the user's own stop, take profit or stop-out, by code
    ROUNDING = "rounding"  # floored to the venue's step, raised to its minimum, or below it
    DELAY = "delay"  # the market had moved from the master's price when the venue took the copy
    PRICE = "price"  # another price than the market's at that moment: spread and slippage
    FEES = "fees"  # other fees than the master's at scale


MINIMUMS: Final = frozenset({ReasonCode.BELOW_MINIMUM, ReasonCode.VENUE_MINIMUM, ReasonCode.DUST})
"""Skips that belong to ROUNDING: the share was too small for the venue."""
NOT_FILLED: Final = "not_filled"
"""Sent, and (partly) not filled, without a code in the report: the price had left the user's bound."""
PENDING: Final = "pending"
"""Decided to be copied, and without an outcome at the end of the period."""
STEPS: Final = "steps"
"""The line of ROUNDING for what steps and minimums changed in copies that were made."""
OF_THE_EQUITY: Final = "equity"
OF_THE_SETTINGS: Final = "settings"
"""The two lines of RATIO."""
ON_ENTRIES: Final = "entries"
ON_EXITS: Final = "exits"
"""The two lines of DELAY and of PRICE."""
UNSEPARATED: Final = "unseparated"
"""The line of PRICE for copies without a recorded price of the market: their delay is in it too."""
FEES_PAID: Final = "paid"
FEES_OF_THE_MASTER: Final = "master"
"""The two lines of FEES."""


def cause_of(missed: str) -> Cause:
    """Return the part to which a copy that was missed for this code belongs."""
    return Cause.ROUNDING if missed in MINIMUMS else Cause.SKIPPED
