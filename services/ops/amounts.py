"""How commands write amounts for people: money to the cent, prices with at least four significant digits.

`--json` and `--csv` have all digits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.domain.values.money import plain

UNKNOWN: Final = "unknown"
_LARGE: Final = Decimal(100)
_DIGITS: Final = 6


def cents(amount: Decimal | None) -> str:
    """Format money to the cent, without its currency: `1,234.50`; `unknown` for None."""
    return UNKNOWN if amount is None else f"{amount:,.2f}"


def signed_cents(amount: Decimal | None) -> str:
    """Format a profit or loss to the cent with its sign: `+12.30`, `-4.00`, `0.00`."""
    if amount is None:
        return UNKNOWN
    text = f"{amount:+,.2f}"
    return "0.00" if text.strip("+-") == "0.00" else text


def price(amount: Decimal | None) -> str:
    """Format a price: to the cent from 100 on, with six significant digits below; a dash for None."""
    if amount is None:
        return "-"
    if abs(amount) >= _LARGE:
        return f"{amount:,.2f}"
    return plain(Decimal(f"{amount:.{_DIGITS}g}"))


def exact(amount: Decimal | None) -> str | None:
    """Write an amount with all its digits; None for None."""
    return None if amount is None else plain(amount)
