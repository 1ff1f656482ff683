"""How numbers are spelt in what Shoal reads from Redis: plain ASCII digits, and no more of them than a real amount has.

Python's own `int` and `Decimal` also accept underscores, digits of every script, signs, exponents, blanks and a million digits,
and `str.isdigit` accepts digits that `int` then rejects. Shoal never writes such numbers, so they are refused, not guessed.
"""

from __future__ import annotations

import re
from typing import Final

DECIMAL: Final = re.compile(r"-?[0-9]{1,21}(?:\.[0-9]{1,100})?")
"""A plain decimal, such as `0.0005` or `-12`."""
_WHOLE: Final = re.compile(r"[0-9]{1,19}")


def whole(text: str | None, *, digits: int = 15) -> int | None:
    """Parse a whole number that is not negative; None for anything else. 15 digits hold every instant in epoch ms."""
    return int(text) if text is not None and len(text) <= digits and _WHOLE.fullmatch(text) else None
