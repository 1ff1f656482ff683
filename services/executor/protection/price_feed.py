"""The shared price feed: one process per venue learns prices and publishes them in Redis for all others.

Prices of held symbols come by the venue's public stream while that shows them, and are read by REST every second while it does
not; all others are read seldom. The process is elected by lease, so there is one connection per venue for the whole system; it
also publishes the venue's steps and minimums.

It must never publish a price of a stream as known at a later instant than the stream's last sign of life, and never let ticks
decide how often Redis is written to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final

import structlog

from services.executor.protection.live_prices import LivePrices
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.ownership.renewals import Renewals
from shared.bus.state.price_samples import PriceSamples
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.contracts import keys
from shared.domain.values.instrument import Instrument
from shared.domain.values.symbol import Symbol
from shared.venues.errors import VenueError
from shared.venues.port import PublicVenue
from shared.venues.price_stream import PriceStream
from shared.venues.stream import ConnectPermit

_EVERY: Final = 1.0
"""Seconds between reads of held symbols: one call to the venue for all of them, and it allows about one a second. Also between
publications of streamed prices that have not moved."""
_EVERYTHING_EVERY: Final = 15.0
"""Seconds between prices of everything: used to value other holdings, never to sell."""
_AFTER_FAILURE: Final = 3.0
_WATCHED_MS: Final = 60_000
"""How long a symbol is watched after the last request for it."""
_STANDBY: Final = 5.0
_PAIRS_EVERY: Final = 300.0
"""Seconds between publications of the pair facts."""
_BATCH: Final = 0.25
"""Seconds between publications of streamed prices: the first of a burst at once, at most four writes a second."""
_MOST_STREAMED: Final = 200
"""Pairs that are streamed at most; further ones are read by REST every second."""
_AFTER_BROKEN_STREAM: Final = 30.0
"""Seconds until a stream that has failed unexpectedly, or is refused, is started again."""
QUOTES: Final = frozenset({"USD", "USDC"})

log = structlog.get_logger()


class PriceFeed:
    """Publishes the prices of one venue while it holds the feed's lease."""

    def __init__(
        self,
        bus: Bus,
        venue: PublicVenue,
        owner: str,
        clock: Callable[[], int],
        stream: tuple[PriceStream, ConnectPermit] | None = None,
    ) -> None:
        """`clock` is the venue's. `stream` with the permit of its connects, where the venue has one."""
        self._bus = bus
        self._venue = venue
        self._owner = owner
        self._clock = clock
        self._stream = stream
        self._live = LivePrices(venue.name)
        self._records = Records(bus)
        self._watch = Watch(bus)
        self._renewals = Renewals(bus)
        self._samples = PriceSamples(bus, venue.name)
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
            except* BusError:
                pass  # tried again below; the services that trade report it
            finally:
                self.leads = False
                if lease is not None:
                    with suppress(BusError):
                        await lease.release()
            await asyncio.sleep(_STANDBY)

    async def _publish(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._stream is not None:
                tasks.create_task(self._hear(*self._stream))
                tasks.create_task(self._publish_live())
            tasks.create_task(self._publish_read())

    async def _hear(self, stream: PriceStream, permit: ConnectPermit) -> None:
        """Run the stream for ever. However it fails, prices are read by REST meanwhile."""
        try:
            while True:
                try:
                    await stream.run(self._live, permit)
                except BusError:
                    raise  # from the permit: Redis is lost, and the lease with it
                except VenueError as error:
                    self._live.interrupted(str(error))
                except Exception as error:  # a defect of a stream must not end the feed
                    self._live.interrupted(f"it failed: {type(error).__name__}")
                    log.exception("the price stream failed", venue=self._venue.name)
                await asyncio.sleep(_AFTER_BROKEN_STREAM)
        finally:
            self._live.reset()

    async def _publish_live(self) -> None:
        """Publish what the stream shows: changes in batches, and everything once a second, as of the last sign of life."""
        everything_due = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(everything_due - time.monotonic()):
                    await self._live.changed.wait()
            if (now := time.monotonic()) >= everything_due:
                everything_due = now + _EVERY
                prices, at = self._live.take_all()
            else:
                prices, at = self._live.take_changed()
            await self._records.write_prices(self._venue.name, prices, at)
            await asyncio.sleep(_BATCH)

    async def _publish_read(self) -> None:
        """Read by REST what the stream does not show, and everything from time to time."""
        everything_due = pairs_due = 0.0
        while True:
            now, pause = time.monotonic(), _EVERY
            self._live.doubted.clear()
            try:
                instruments = await self._venue.instruments()
                if now >= pairs_due:
                    await self._records.write_instruments(self._venue.name, instruments.values())
                    pairs_due = now + _PAIRS_EVERY
                watched = await self._watch.asked_for(self._venue.name, self._clock() - _WATCHED_MS)
                wanted = self._not_streamed(watched, instruments)
                if now >= everything_due:
                    everything_due = now + _EVERYTHING_EVERY
                    wanted = [symbol for symbol in instruments if symbol.quote in QUOTES or symbol in watched]
                if wanted:
                    prices = await self._venue.prices(wanted)
                    await self._records.write_prices(self._venue.name, self._live.compare(prices), self._clock())
                await self._sample(watched)
            except VenueError as error:
                log.warning("prices could not be read", venue=self._venue.name, reason=str(error))
                pause = _AFTER_FAILURE
            await self._pause(now, pause)

    async def _sample(self, watched: Iterable[Symbol]) -> None:
        """Sample the prices of what is watched, once a minute, for charts."""
        if self._samples.due(now := self._clock()):
            await self._samples.add(await self._records.prices_of(self._venue.name, sorted(watched, key=str)), now)

    def _not_streamed(self, watched: Iterable[Symbol], instruments: Mapping[Symbol, Instrument]) -> list[Symbol]:
        """Have what is watched streamed; return what of it is to be read now."""
        listed = sorted((symbol for symbol in watched if symbol in instruments), key=str)
        if self._stream is None:
            return listed
        followed = listed[:_MOST_STREAMED]
        self._live.follow(followed)
        self._stream[0].follow(followed)
        return [symbol for symbol in listed if not self._live.covers(symbol) or symbol in self._live.suspected]

    async def _pause(self, began: float, seconds: float) -> None:
        """Wait for a while; less when the stream has just lost a price, but the venue allows about one call a second."""
        if seconds > _EVERY:
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._live.doubted.wait()
        await asyncio.sleep(began + _EVERY - time.monotonic())
