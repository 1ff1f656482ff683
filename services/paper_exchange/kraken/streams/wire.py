"""JSON as Kraken's WebSocket v2 writes it: amounts are numbers, not texts, and exact; instants are RFC 3339.

A number below 0.0001 has an exponent (`8.528e-05`), as in recorded messages: a client that reads amounts by a pattern fails here.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

Shape = dict[str, object]
SMALLEST_PLAIN: Final = Decimal("0.0001")


def dump(value: object) -> str:
    """Write a value as JSON, Decimals as numbers with all their digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dump(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dump(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return number_text(value)
    return json.dumps(value)


def number_text(value: Decimal) -> str:
    """Write a Decimal as a JSON number."""
    if not value:
        return "0.0"
    if abs(value) < SMALLEST_PLAIN:
        digits, _, exponent = f"{value.normalize():e}".partition("e-")
        return f"{digits}e-{exponent:0>2}"
    plain = f"{value:f}"
    if "." not in plain:
        return f"{plain}.0"
    plain = plain.rstrip("0")
    return f"{plain}0" if plain.endswith(".") else plain


def micros(instant: float) -> str:
    """Format an instant (epoch seconds) with microseconds."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nanos(instant: float) -> str:
    """Format an instant (epoch seconds) with nanoseconds, as the candles have them."""
    return f"{micros(instant)[:-1]}000Z"
