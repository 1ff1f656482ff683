"""The shared price feed: one process per venue reads prices and publishes them in Redis for all others.

Prices of held symbols are read every second, all others seldom. The process is elected by lease; it also publishes the venue's
steps and minimums.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.lease import Lease, acquire
from shared.bus.records import Records
from shared.bus.renewals import Renewals
from shared.bus.watch import Watch
from shared.contracts import keys
from shared.venues.errors import VenueError
from shared.venues.port import PublicVenue

_EVERY: Final = 1.0
"""Seconds between prices of held symbols: one call to the venue for all of them, and it allows about one a second."""
_EVERYTHING_EVERY: Final = 15.0
"""Seconds between prices of everything: used to value other holdings, never to sell."""
_AFTER_FAILURE: Final = 3.0
_WATCHED_MS: Final = 60_000
"""How long a symbol is watched after the last request for it."""
_STANDBY: Final = 5.0
_PAIRS_EVERY: Final = 300.0
"""Seconds between publications of the pair facts."""
QUOTES: Final = frozenset({"USD", "USDC"})

log = structlog.get_logger()


class PriceFeed:
    """Publishes the prices of one venue while it holds the feed's lease."""

    def __init__(self, bus: Bus, venue: PublicVenue, owner: str, clock: Callable[[], int]) -> None:
        self._bus = bus
        self._venue = venue
        self._owner = owner
        self._clock = clock
        self._records = Records(bus)
        self._watch = Watch(bus)
        self._renewals = Renewals(bus)
        self.leads = False
        """Whether this process publishes for the venue now."""

    async def run(self) -> None:
        """Compete for the lease and publish under it, for ever, through outages of Redis and the venue."""
        while True:
            lease: Lease | None = None
            try:
                lease = await acquire(self._bus, keys.price_feed(self._venue.name), self._owner)
                if lease is not None:
                    self.leads = True
                    await self._renewals.keep(lease, self._publish())
            except BusError:
                pass  # tried again below; the services that trade report it
            finally:
                self.leads = False
                if lease is not None:
                    with suppress(BusError):
                        await lease.release()
            await asyncio.sleep(_STANDBY)

    async def _publish(self) -> None:
        everything_due = pairs_due = 0.0
        while True:
            now, pause = time.monotonic(), _EVERY
            try:
                instruments = await self._venue.instruments()
                if now >= pairs_due:
                    await self._records.write_instruments(self._venue.name, instruments.values())
                    pairs_due = now + _PAIRS_EVERY
                if now >= everything_due:
                    wanted = [symbol for symbol in instruments if symbol.quote in QUOTES]
                    everything_due = now + _EVERYTHING_EVERY
                else:
                    watched = await self._watch.asked_for(self._venue.name, self._clock() - _WATCHED_MS)
                    wanted = [symbol for symbol in watched if symbol in instruments]
                if wanted:
                    prices = await self._venue.prices(wanted)
                    await self._records.write_prices(self._venue.name, prices.values(), self._clock())
            except VenueError as error:
                log.warning("prices could not be read", venue=self._venue.name, reason=str(error))
                pause = _AFTER_FAILURE
            await asyncio.sleep(pause)
