"""The simple moving average, in plain `Decimal`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from shared.domain.values.money import ZERO


def sma(values: Sequence[Decimal], length: int) -> Decimal:
    """Return the average of the last `length` values. Raises ValueError if there are fewer."""
    if length < 1 or len(values) < length:
        raise ValueError(f"{len(values)} values give no average of {length}")
    return sum(values[-length:], ZERO) / length
