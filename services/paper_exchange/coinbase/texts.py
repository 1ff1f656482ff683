"""Numbers and instants as Coinbase writes them: decimals as text without an exponent, times in RFC 3339 with `Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

# Price times volume has at most 22 digits before the point, within the precision of Decimal.
_PLAIN: Final = re.compile(r"\d{1,11}(\.\d{0,20})?|\.\d{1,20}", re.ASCII)


def decimal_text(amount: Decimal) -> str:
    """Format an amount without an exponent and without trailing zeros."""
    plain = f"{amount:f}"
    return (plain.rstrip("0").rstrip(".") or "0") if "." in plain else plain


def parse_decimal(text: object) -> Decimal | None:
    """Parse a plain non-negative decimal sent as text; None if it is not one: no sign, no exponent, no NaN, no JSON number."""
    return Decimal(text) if isinstance(text, str) and _PLAIN.fullmatch(text) else None


def rfc3339(instant: float) -> str:
    """Format an instant (seconds) with microseconds."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> float | None:
    """Parse an instant with 0 to 9 decimals; None if it is not one."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", text, re.ASCII):
        return None
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).timestamp()
    except (ValueError, OverflowError):
        return None
