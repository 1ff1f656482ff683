"""The samples of a price: the string `shoal:price_samples:<venue>:<symbol>`, a ring of the last twelve hours by the minute."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.contracts.sample_ring import MINUTE_MS, SampleRing, read_amount, write_amount, write_minute

_DECIMALS: Final = 8
PRICE_RING: Final = SampleRing(MINUTE_MS, 12 * 60 * MINUTE_MS, 1)
"""11 kB for a symbol."""


def write_price_sample(at: int, price: Decimal) -> str:
    """Return the record of a price at `at` (epoch ms), stated to the minute."""
    return f"{write_minute(at)}{write_amount(price, _DECIMALS)}"


def read_price_samples(text: str, since: int = 0) -> list[tuple[int, Decimal]]:
    """Return the prices of a ring from `since` (epoch ms) on, oldest first, each with its minute in epoch ms."""
    _, found = PRICE_RING.read(text, since)
    prices = [(at, read_amount(amounts[0], _DECIMALS)) for at, amounts in found]
    return [(at, price) for at, price in prices if price]
