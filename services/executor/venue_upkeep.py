"""What a process keeps up for each venue that its users trade at: the measured time, and the shared price feed.

A venue that none of its users trades at is never called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from services.executor.account.context_factory import AccountContextFactory, OpenVenue
from services.executor.protection.price_feed import PriceFeed
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.state.venue_time import VenueTimeWriter
from shared.runtime.supervision import Supervisor
from shared.venues.clock_keeper import ClockKeeper


class VenueUpkeep:
    """Runs the price feed and the clock of each venue, from when it is first traded at until the process ends."""

    def __init__(self, bus: Bus, contexts: AccountContextFactory, owner: str, supervisor: Supervisor) -> None:
        self._bus = bus
        self._contexts = contexts
        self._owner = owner
        self._supervisor = supervisor
        self._times = VenueTimeWriter(bus)
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    def serve(self, venues: Iterable[str]) -> None:
        """Begin with the venues that are not kept up yet."""
        for name in venues:
            if name not in self._tasks:
                self._tasks[name] = self._begin(name, self._contexts.venue(name))

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """All tasks, for the end of the process."""
        return [task for tasks in self._tasks.values() for task in tasks]

    def _begin(self, name: str, venue: OpenVenue) -> list[asyncio.Task[None]]:
        # With the masters' right to connect: it is one connection for the whole system, and exits depend on it.
        permit = partial(self._contexts.connects(name).wait, first=True)
        stream = (self._contexts.price_stream(name), permit)
        feed = PriceFeed(self._bus, venue.public, self._owner, venue.clock, stream)
        keeper = ClockKeeper(venue.clock, venue.public.ask_time, partial(self._look_at_clock, venue, feed))
        keep_up = self._supervisor.keep_up
        return [
            asyncio.create_task(keep_up(f"price feed of {name}", feed.run)),
            asyncio.create_task(keep_up(f"clock of {name}", keeper.run)),
        ]

    async def _look_at_clock(self, venue: OpenVenue, feed: PriceFeed) -> None:
        """Compare this host's clock with the venue's; while this process leads the price feed, publish the venue's time."""
        self._contexts.look_at_clocks()
        if feed.leads and (to_steady := venue.clock.to_steady()) is not None:
            with suppress(BusError):
                await self._times.write(venue.clock.venue, to_steady)
