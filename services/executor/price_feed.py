"""The shared price feed: one process per venue asks for prices, everybody reads them from Redis.

Elected by lease like everything that must be done once; whoever holds it also publishes the venue's steps and minimums.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from services.executor.account import QUOTE
from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusUnavailable
from shared.bus.lease import Lease, acquire, keep
from shared.bus.records import Records
from shared.contracts import keys
from shared.venues.errors import VenueError
from shared.venues.port import PublicVenue

_EVERY: Final = 5.0
_STANDBY: Final = 5.0
_PAIRS_EVERY: Final = 60
"""Rounds of prices between two publications of the pair facts."""

log = structlog.get_logger()


class PriceFeed:
    """Publishes the prices of one venue while it holds the feed's lease."""

    def __init__(self, bus: Bus, venue: PublicVenue, owner: str, clock: Callable[[], int]) -> None:
        self._bus = bus
        self._venue = venue
        self._owner = owner
        self._clock = clock
        self._records = Records(bus)

    async def run(self) -> None:
        """Take turns for ever, through outages of Redis and the venue."""
        while True:
            lease: Lease | None = None
            try:
                lease = await acquire(self._bus, keys.price_feed(self._venue.name), self._owner)
                if lease is not None:
                    await keep(lease, self._publish())
            except BusError:
                pass  # another turn below; the services that trade say what is wrong
            finally:
                if lease is not None:
                    with suppress(BusUnavailable):
                        await lease.release()
            await asyncio.sleep(_STANDBY)

    async def _publish(self) -> None:
        turn = 0
        while True:
            try:
                instruments = await self._venue.instruments()
                if turn % _PAIRS_EVERY == 0:
                    await self._records.write_instruments(self._venue.name, instruments.values())
                wanted = [symbol for symbol in instruments if symbol.quote == QUOTE]
                prices = await self._venue.prices(wanted)
                await self._records.write_prices(self._venue.name, prices.values(), self._clock())
                turn += 1
            except VenueError as error:
                log.warning("prices could not be read", venue=self._venue.name, reason=str(error))
            await asyncio.sleep(_EVERY)
