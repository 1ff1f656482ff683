"""A fill of the master as users get it: the signal, and what a copy needs to know beside it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.domain.signal import Signal
from shared.domain.values.money import Money


@dataclass(frozen=True, slots=True)
class MasterFill:
    """One fill. `reference` is the market's price (quote per base) that the fill is worse than by the slippage."""

    signal: Signal
    cash_before: Money
    reference: Decimal
