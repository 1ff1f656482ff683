"""Reading a venue's answer strictly: an amount, an object, and what to raise for any other shape."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from shared.venues.errors import Unavailable

UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code raises that reads an answer of another shape than it expects."""
_AMOUNT: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,2})?")
_INSTANT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|\+00:00)")
_MOST_DECIMALS: Final = 40
_LARGEST: Final = 25
"""Powers of ten: no real amount is larger or finer, and arithmetic with such a number overflows or fills a screen."""


@contextmanager
def readable(subject: str) -> Generator[None]:
    """Raise Unavailable for any unexpected shape of an answer; its text names the subject and nothing of the content."""
    try:
        yield
    except UNREADABLE as error:
        raise Unavailable(f"{subject} could not be read ({type(error).__name__})") from None


def decimal(value: object) -> Decimal:
    """Parse an amount, written as a string or sometimes as a number. Raises ValueError unless it is finite."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError("not an amount")
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise ValueError("not an amount")
    amount = Decimal(value)
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MOST_DECIMALS or amount.adjusted() > _LARGEST:
        raise ValueError("beyond the range of amounts")
    return amount


def instant(text: str) -> int:
    """Parse RFC 3339 in UTC with 0 to 9 decimals, as epoch ms. Raises ValueError."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not an instant")
    whole = datetime.fromisoformat(f"{found.group(1)}+00:00")
    return int(whole.timestamp()) * 1000 + int((found.group(2) or "0").ljust(3, "0")[:3])


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _number(text: str) -> Decimal:
    """Parse a number with a point or an exponent. Raises ValueError, as the JSON parser expects, for one out of range."""
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("a number is out of range") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError for two values under one name: it is unknown which is meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


_DECODER: Final = json.JSONDecoder(parse_float=_number, parse_constant=_no_constants, object_pairs_hook=_once_each)
_ESCAPE: Final = b"\\u"


def read_object(raw: bytes) -> dict[str, Any] | None:
    """Parse a JSON object strictly: no repeated names, no NaN, numbers as Decimal. None for anything else."""
    try:
        envelope = _DECODER.decode(raw.decode())
        if _ESCAPE in raw:
            json.dumps(envelope, ensure_ascii=False, default=str).encode()  # half of a surrogate pair cannot be encoded
    except (ValueError, RecursionError):
        return None
    return envelope if isinstance(envelope, dict) else None
