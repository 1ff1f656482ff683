"""The connects of streams to a venue, which all processes of one address share: the venue counts them, and bans for too many.

Masters come first: a part of the connects is kept from users, so that a hundred users who come back at once never delay the
stream that signals are made from. Users without orders leave a part to those who have some. An account that gets none now is
polled meanwhile, and may ask again after the wait.

Processes that share a Redis and say nothing of their address (VENUE_BIND, VENUE_PROXY) count as one; of the others those count
together that name the same one. Processes of another Redis behind the same address are not seen.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.scripts import load
from shared.contracts import keys
from shared.domain.values.venue import VenueName

_OUTAGE: Final = 5.0
"""Seconds to the next question while Redis does not answer: nothing connects without a permit."""
_LONGEST_SLEEP: Final = 60.0
"""Seconds; a waiting caller asks again at least this often."""
_JITTER: Final = 0.5
"""Seconds by which waiting callers are spread."""


@dataclass(frozen=True, slots=True)
class ConnectLimit:
    """So many connects within a window (ms), of which `kept` are for masters alone."""

    most: int
    window_ms: int
    kept: int
    kept_from_idle: int = 0
    """How many a user without orders leaves to those who have some."""


LIMITS: Final[Mapping[str, ConnectLimit]] = {
    # Kraken bans an address after 150 in ten minutes; its own command line stops at 120 (shared/venues/kraken/KRAKEN.md, K36).
    VenueName.KRAKEN: ConnectLimit(120, 600_000, 20, 70),
    # 8 a second by the documentation, 750 by others; one a second is planned (shared/venues/coinbase/COINBASE.md, C24).
    VenueName.COINBASE: ConnectLimit(5, 5_000, 1, 3),
}


class ConnectBudget:
    """The connects to one venue."""

    def __init__(
        self,
        bus: Bus,
        venue: str,
        limit: ConnectLimit | None = None,
        *,
        source: str = "",
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`source` is the address or proxy from which this process connects; empty for the system's choice."""
        self._bus = bus
        self._key = keys.connects(venue, source)
        self._limit = limit or LIMITS[venue]
        self._sleep = sleep

    async def take(self, *, first: bool = False, idle: bool = False) -> float:
        """Take a connect: return 0 if one may begin now, else the seconds until one may, for which none was taken.

        `first`: for a master, who may take those that are kept from users. `idle`: for a user who has had no order for hours.
        Raises BusUnavailable.
        """
        limit = self._limit
        kept = 0 if first else max(limit.kept, limit.kept_from_idle) if idle else limit.kept
        wait = await self._bus.run(
            load("connect"),
            [self._key],
            [limit.most, limit.window_ms, kept, str(uuid4())],
        )
        return int(wait) / 1000

    async def wait(self, *, first: bool) -> None:
        """Return when a connect was taken, however long that takes; an outage of Redis is waited for too."""
        while True:
            try:
                wait = await self.take(first=first)
            except BusError:
                wait = _OUTAGE
            if wait == 0:
                return
            await self._sleep(min(wait, _LONGEST_SLEEP) + random.random() * _JITTER)  # noqa: S311  # not a secret
