"""The shared price feed: one process per venue asks for prices, everybody reads them from Redis.

What somebody holds is asked for every second, everything else seldom. Elected by lease like everything that must be done once;
whoever holds it also publishes the venue's steps and minimums.
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
"""Seconds between prices of what somebody holds: one call to the venue for all of them, of which it allows about one a second."""
_EVERYTHING_EVERY: Final = 15.0
"""Seconds between prices of everything: they count what users own besides, and nothing is sold by them."""
_AFTER_FAILURE: Final = 3.0
_WATCHED_MS: Final = 60_000
"""How long a symbol is watched after somebody has last said that he holds it."""
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
        """Take turns for ever, through outages of Redis and the venue."""
        while True:
            lease: Lease | None = None
            try:
                lease = await acquire(self._bus, keys.price_feed(self._venue.name), self._owner)
                if lease is not None:
                    self.leads = True
                    await self._renewals.keep(lease, self._publish())
            except BusError:
                pass  # another turn below; the services that trade say what is wrong
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
