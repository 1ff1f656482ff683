"""The bound that an exit's leg is sent with: first a wide one, immediate-or-cancel; then the market, so that it ends flat."""

from __future__ import annotations

from decimal import Decimal

from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Price


def bound(price: Price, instrument: Instrument, slippage_bps: Decimal, leg: int, refusals: int) -> Price | None:
    """Give the least price a leg may sell at; None is the market.

    The first leg is bounded and every later one is not. What the venue refuses is tried the other way the next time: a pair may
    take no limits so far from its last trade, or nothing but limits.
    """
    bounded = instrument.status is PairStatus.LIMIT_ONLY or (leg == 1) == (refusals % 2 == 0)
    if not bounded:
        return None
    least = price.shifted(-slippage_bps).ceiled(instrument.tick)
    return least if least.amount > 0 else None
