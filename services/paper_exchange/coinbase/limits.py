"""The rate limits: so many requests in each second, per key for private methods and per address for public ones.

30/s and 10/s as api-evangelist and Coinbase.Net give them; the venue publishes no figure for Advanced Trade. Headers as
coinbase-advanced-py reads them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

PRIVATE_LIMIT: Final = 30  # requests per second and key
PUBLIC_LIMIT: Final = 10  # requests per second and address
THROTTLED_LIMIT: Final = 3  # while the fault `throttled_with_401` is on


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit after a request."""

    limit: int
    remaining: int
    reset: int  # seconds
    fits: bool = True

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that every limited answer carries."""
        return [
            (b"x-ratelimit-limit", str(self.limit).encode()),
            (b"x-ratelimit-remaining", str(self.remaining).encode()),
            (b"x-ratelimit-reset", str(self.reset).encode()),
        ]


class RateLimits:
    """The requests of the present second, by key or address."""

    def __init__(self) -> None:
        self._second = -1
        self._counts: dict[str, int] = {}

    def count(self, name: str, now: float, limit: int) -> Allowance:
        """Count one request. A refused one counts too, but the next second begins with none."""
        second = math.floor(now)
        if second != self._second:
            self._second = second
            self._counts.clear()
        used = self._counts[name] = self._counts.get(name, 0) + 1
        return Allowance(limit, max(0, limit - used), 1, used <= limit)
