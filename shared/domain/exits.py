"""How much a close sells. Exits have no guards: nothing in here looks at cash, age or price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.account import Position
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, Price, Quantity, plain

_ROUNDING: Final = Decimal("0.001")
"""Less than this share of a sale may be missing in the account through rounding."""


@dataclass(frozen=True, slots=True)
class ExitSize:
    """A close that may go out, and the arithmetic behind it."""

    size: Quantity
    reason: str


def credited_short(wanted: Quantity, has: Quantity, instrument: Instrument, price: Price) -> Quantity | None:
    """Return what can be sold if the account has less than `wanted` by a crumb that only rounding explains; else None.

    Venues credit a fill with fewer digits than they report it with, so the account may lack a unit of its last digit for each
    purchase. A crumb could not be sold by itself, and is at most one lot or a thousandth of the sale: a balance that lags behind
    a fill lacks more, and so does an account whose owner has sold.
    """
    short = wanted - has
    if short.amount <= 0 or not instrument.below_minimum(short, price):
        return None
    if short.amount > max(instrument.lot_step, wanted.amount * _ROUNDING):
        return None
    left = has.floored(instrument.lot_step)
    return None if instrument.below_minimum(left, price) else left


def size_exit(
    position: Position, fraction: Decimal, instrument: Instrument, price: Price, *, has: Quantity | None = None
) -> ExitSize | Skip:
    """Size a close as a fraction of what is held from copying.

    Never more than is held and never what Shoal did not buy. A rest that the venue would refuse afterwards is sold along; an
    amount that it would refuse now is skipped as dust. `has` (what the account has in all) is given only once a sale of the
    whole has been refused for want of it: balances lag behind fills, so at first the position's own record counts.
    """
    held = position.size
    if held.amount <= 0:
        return Skip("nothing is held from copying", ReasonCode.NOTHING_HELD)
    size = position.portion(fraction, instrument.lot_step)
    arithmetic = f"{plain(fraction)} of {held} held = {plain(size.amount)}"
    rest = held - size
    if fraction < ONE and instrument.below_minimum(rest, price) and not instrument.below_minimum(held, price):
        size = held.floored(instrument.lot_step)
        arithmetic += f", all of it because the rest of {rest} could not be sold later"
    if has is not None and has < size:
        size = has.floored(instrument.lot_step)
        arithmetic += f", cut to {plain(size.amount)}, which is all that the account has"
    missed = instrument.below_minimum(size, price)
    if missed:
        return Skip(f"dust: {missed} ({arithmetic})", ReasonCode.DUST)
    return ExitSize(size, arithmetic)
