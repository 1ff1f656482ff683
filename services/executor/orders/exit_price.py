"""The price bound of an exit's leg: first a wide one, immediate-or-cancel; then none (market), so that the position ends flat."""

from __future__ import annotations

from decimal import Decimal

from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Price


def bound(
    price: Price, instrument: Instrument, slippage_bps: Decimal, leg: int, refusals: int, masters: Price | None = None
) -> Price | None:
    """Return the lowest price at which a leg may sell; None for a market order. `masters` is the bound by the master's price.

    The first leg is bounded, later ones are not. After a refusal the next try is of the other kind: a pair may take no limit that
    far from its last trade, or limits only. The master's price at another venue bounds the very first try alone: it must not keep
    the position from being sold.
    """
    bounded = instrument.status is PairStatus.LIMIT_ONLY or (leg == 1) == (refusals % 2 == 0)
    if not bounded:
        return None
    least = price.shifted(-slippage_bps).ceiled(instrument.tick)
    if masters is not None and leg == 1 and not refusals:
        least = max(least, masters.ceiled(instrument.tick), key=lambda each: each.amount)
    return least if least.amount > 0 else None
