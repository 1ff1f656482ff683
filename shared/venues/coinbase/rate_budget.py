"""How much one API key calls: Coinbase's limit, kept well below, so that the venue never has to refuse.

30 requests a second per key, perhaps 10,000 an hour (COINBASE.md, C5): so bursts, and a few a second for longer. Lookups wait;
an order never waits for lookups, and is counted so that the lookups after it do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from shared.venues.errors import Unavailable
from shared.venues.meter import Meter

_BURST: Final = 12.0
_PER_SECOND: Final = 2.5
_KEPT_FREE: Final = 5.0  # left to others by a patient lookup: to search for an order costs several calls
_LEFT_TO_ORDERS: Final = 5
_LONGEST_QUEUE: Final = 30.0  # seconds; a lookup that would wait longer is refused
_LONGEST_PATIENCE: Final = 15.0  # seconds


class CoinbaseBudget:
    """The count of one key's calls in this process. One that is not `limited` counts nothing: the venue alone judges."""

    def __init__(
        self,
        *,
        limited: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._limited = limited
        self._monotonic = monotonic
        self._sleep = sleep
        self._meter = Meter(_BURST, _PER_SECOND, monotonic)

    async def admit_lookup(self, *, patient: bool = False) -> None:
        """Wait until a lookup fits; with `patient`, until others fit beside it. Raises Unavailable when the queue is too long."""
        if not self._limited:
            return
        if patient:
            end = self._monotonic() + _LONGEST_PATIENCE
            while (wait := min(self._meter.wait(1.0 + _KEPT_FREE), end - self._monotonic())) > 0:
                await self._sleep(wait)
        if (wait := self._meter.wait(1.0)) > _LONGEST_QUEUE:
            raise Unavailable(f"this key has sent too many calls to Coinbase; the next fits in {wait:.0f} s", wait)
        if (wait := self._meter.reserve(1.0)) > 0:
            try:
                await self._sleep(wait)
            except asyncio.CancelledError:
                self._meter.give_back(1.0)
                raise

    def count(self) -> None:
        """Count a call that does not wait: an order, or a repetition with a fresh token."""
        self._meter.reserve(1.0)

    def heed(self, remaining: int | None) -> None:
        """Learn how many calls the venue still takes now: the last ones are left to orders, so lookups wait."""
        if self._limited and remaining is not None and remaining < _LEFT_TO_ORDERS:
            self._meter.overflow()

    def exceeded(self) -> float:
        """Record that the venue refused a call for its rate; return the seconds to wait."""
        return self._meter.overflow() if self._limited else 0.0
