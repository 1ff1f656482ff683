"""Follows one account by its private stream for as long as a turn lasts; an account that has none is polled.

The stream only replaces questions: everything goes on without it. Opening one costs a private call of the key, so nothing is
opened while the account is parked. It must never end a turn, but for a lost lease or a lost Redis.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.streams.orders_lately import OrdersLately
from services.executor.streams.stream_places import StreamPlaces
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN, BusError
from shared.bus.flow.streams import read_entries
from shared.contracts import keys
from shared.domain.account import NO_STREAM_RIGHT
from shared.execution.following.streamed_orders import StreamedOrders
from shared.runtime.supervision import Supervisor
from shared.venues.errors import VenueError
from shared.venues.port import Venue
from shared.venues.stream import ConnectPermit, PrivateStream, StreamRefused
from shared.venues.venue_clock import VenueTime

_REFUSED: Final = 3_600.0
"""Seconds until a key that may not open streams tries again: its owner may have given it the right."""
_FAILED_FIRST, _FAILED_MOST = 5.0, 300.0
_LATELY_MS: Final = 3_600_000
_LATELY_MOST: Final = 200
"""The reports that are counted at the start: those of the last hour, so many at most."""

log = structlog.get_logger()


class AccountStream:
    """The stream of one account under one lease."""

    def __init__(
        self,
        streamed: StreamedOrders,
        venue: Venue,
        account: AccountKeeper,
        places: StreamPlaces,
        bus: Bus,
        clock: VenueTime,
        user: str,
    ) -> None:
        self._streamed = streamed
        self._venue = venue
        self._account = account
        self._places = places
        self._bus = bus
        self._clock = clock
        self._user = user
        self._running: asyncio.Task[None] | None = None
        self._gave_up = False
        self.supervisor = Supervisor()
        self.orders = OrdersLately(time.monotonic)

    async def run(self) -> None:
        """Follow the account until cancelled. Raises only what ends a turn."""
        stream = self._venue.private_stream()
        if stream is None:
            self._streamed.poll("the venue has no private stream for it")
            await asyncio.Event().wait()
            return
        self._streamed.source = stream
        await self._count_orders_before()
        pause = _FAILED_FIRST
        while True:
            self._streamed.poll("waits for a connection")
            self._gave_up = False
            await self._permit()  # here, where nothing of a stream exists yet: most of thousands wait for long
            if self._gave_up:
                continue
            began = time.monotonic()
            failed = await self._follow(stream)
            pause = _FAILED_FIRST if time.monotonic() - began > _FAILED_MOST else min(pause * 2, _FAILED_MOST)
            await asyncio.sleep({True: pause, False: 0.0, None: _REFUSED}[failed])

    def give_up_place(self) -> None:
        """End the connection, and wait for a place again."""
        self._gave_up = True
        if self._running is not None:
            self._running.cancel()

    async def _follow(self, stream: PrivateStream) -> bool | None:
        """Run the stream to its end; return whether it failed, None for a key that may not open streams."""
        name = f"private stream of {self._user}"
        self._running = asyncio.create_task(stream.run(self._streamed, self._permit_after_first()))
        try:
            await asyncio.wait({self._running})
            if self._gave_up and self._running.cancelled():
                return False
            await self._running
        except StreamRefused as error:
            self._streamed.poll(f"{NO_STREAM_RIGHT} ({error})")
            log.info("no private stream: polled", user=self._user, venue=self._venue.name, reason=str(error))
            return None
        except ENDS_A_TURN:
            raise
        except VenueError as error:
            self._streamed.poll(str(error))
            log.warning("private stream failed: polled", user=self._user, venue=self._venue.name, reason=str(error))
            self._account.refresh_soon()  # a key that is refused as a whole parks the account there
        except Exception as error:  # a stream that fails must not end the turn: exits depend on it
            self._streamed.poll(f"{type(error).__name__}: {error}")
            if self.supervisor.failed(name, error):
                log.exception("private stream failed: polled", user=self._user, venue=self._venue.name)
        finally:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._streamed.interrupted("not followed")
            self._places.release(self)
        return True

    async def _permit(self) -> None:
        """Wait until the key may be used, then for a place."""
        await self._account.until_ready()
        await self._places.permit(self)

    def _permit_after_first(self) -> ConnectPermit:
        """Return a permit for each connect: the first one has been waited for."""
        granted = True

        async def permit() -> None:
            nonlocal granted
            if not granted:
                await self._permit()
            granted = False

        return permit

    async def _count_orders_before(self) -> None:
        """Count the orders that others have sent for this account lately."""
        stream = keys.reports(self._user)
        since = self._clock() - _LATELY_MS
        try:
            rows = await self._bus.do("XREVRANGE", stream, "+", since, "COUNT", _LATELY_MOST)
        except ENDS_A_TURN:
            raise
        except BusError:
            return
        venue = self._venue.name
        self.orders.note(sum(1 for entry in read_entries(stream, rows) if entry.fields.get("venue") == venue))
