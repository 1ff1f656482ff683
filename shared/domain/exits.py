"""How much an exit sells. Exits have no guards: nothing in here looks at cash, age or price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, Price, Quantity, plain

_ROUNDING: Final = Decimal("0.001")
"""The largest share of a sale that rounding by the venue can explain as missing."""


@dataclass(frozen=True, slots=True)
class ExitSize:
    """The size of an exit that may be sent, and the arithmetic behind it."""

    size: Quantity
    reason: str


def credited_short(wanted: Quantity, has: Quantity, instrument: Instrument, price: Price) -> Quantity | None:
    """Return what can be sold if the account is short of `wanted` by no more than rounding explains; else None.

    Venues credit a fill with fewer digits than they report, so the account may lack one unit of the last digit per purchase.
    Such a rounding loss could not be sold by itself, and is at most one lot or a thousandth of the sale. A balance that lags
    behind a fill lacks more than that, and so does an account whose owner has sold.
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
    """Size an exit as a fraction of what is held from copying.

    It never sells more than is held, nor what Shoal did not buy. A remainder that the venue would reject later is sold as well;
    an amount that it would reject now is skipped as dust. Pass `has` (the account's total) only after the venue has rejected the
    full sale for insufficient funds: balances lag behind fills, so until then the position's own record counts.
    """
    held = position.size
    if held.amount <= 0:
        return Skip("nothing is held from copying", ReasonCode.NOTHING_HELD)
    size = position.portion(fraction, instrument.lot_step)
    arithmetic = f"{plain(fraction)} of {held} held = {plain(size.amount)}"
    rest = held - size
    if fraction < ONE and instrument.below_minimum(rest, price) and not instrument.below_minimum(held, price):
        size = held.floored(instrument.lot_step)
        arithmetic += f", all of it because the remainder of {rest} could not be sold later"
    if has is not None and has < size:
        size = has.floored(instrument.lot_step)
        arithmetic += f", cut to {plain(size.amount)}, which is all the account has"
    missed = instrument.below_minimum(size, price)
    if missed:
        return Skip(f"dust: {missed} ({arithmetic})", ReasonCode.DUST)
    return ExitSize(size, arithmetic)
