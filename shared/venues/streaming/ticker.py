"""A venue's price stream over one connection: what is subscribed, what is shown, and when a connection is no longer believed.

The venue's own messages are a `TickerProtocol` (`kraken/streaming/ticker.py`, `coinbase/streaming/ticker.py`). After anything
that may have hidden a row (a cut, a gap, silence, a message that cannot be read, rows that come late) the connection is given
up: the listener hears of that at once, and each pair counts again only when the next connection has shown it.

It must never show a price of a pair that was not asked for, and never send more messages than the venue allows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, NoReturn

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable, VenueError
from shared.venues.price_stream import PriceListener
from shared.venues.stream import ConnectPermit
from shared.venues.streaming.connection import StreamAddress, StreamConnection
from shared.venues.streaming.reconnects import Reconnects
from shared.venues.streaming.ticker_protocol import Heard, SubscriptionRefused, Tick, TickerProtocol
from shared.venues.venue_clock import VenueTime

SILENCE: Final = 5.0
"""Seconds without any message after which the connection is dead: both venues send a heartbeat a second."""
BATCH: Final = 50
"""Pairs in one message."""
_BETWEEN: Final = 0.25
"""Seconds between messages: Coinbase takes 8 a second from an address (docs.cdp.coinbase.com, WebSocket rate limits)."""
_ALONE: Final = 1.0
"""Seconds between pairs that are asked for one by one, so that it is clear which one an error means."""
_LATE_MS: Final = 5_000
_LATE_ROWS: Final = 3
"""So many messages in a row that were made more than `_LATE_MS` ago mean a backlog: their prices are of the past."""
REFUSED_FOR: Final = 300.0
"""Seconds for which a pair that the venue refused is not asked for."""
_RETRY_EVERY: Final = 30.0


@dataclass
class _Session:
    """What one connection was asked for and has shown."""

    connection: StreamConnection
    asked: set[str] = field(default_factory=set)
    symbols: Mapping[str, frozenset[Symbol]] = field(default_factory=dict)
    last: dict[str, Decimal] = field(default_factory=dict)
    late: int = 0


class TickerStream:
    """The `PriceStream` of a venue."""

    def __init__(
        self,
        address: StreamAddress,
        protocol: TickerProtocol,
        clock: VenueTime,
        *,
        reconnects: Callable[[], Reconnects] = Reconnects,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is the venue's."""
        self._address = replace(address, silence=min(address.silence, SILENCE))
        self._protocol = protocol
        self._clock = clock
        self._reconnects = reconnects
        self._monotonic = monotonic
        self._wanted: frozenset[Symbol] = frozenset()
        self._changed = asyncio.Event()
        self._refused: dict[str, float] = {}
        self._suspects: set[str] = set()
        """Names of which one was refused, and it is not known which: they are asked for one by one."""

    def follow(self, symbols: Collection[Symbol]) -> None:
        """Show these pairs and no others from now on."""
        wanted = frozenset(symbols)
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self, listener: PriceListener, permit: ConnectPermit) -> NoReturn:
        """Connect while there is something to follow, and show it, for ever. Raises what `permit` raises."""
        reconnects = self._reconnects()
        while True:
            failure: VenueError | None = None
            try:
                while not await self._names():
                    await self._wait_for_change()
                await permit()
                async with self._address.connect() as connection:
                    await self._follow_on(connection, listener, reconnects)
            except* VenueError as group:
                failure = _first(group)
            if failure is None:
                continue  # nothing is followed any more
            listener.interrupted(str(failure))
            unavailable = failure if isinstance(failure, Unavailable) else Unavailable(str(failure))
            await asyncio.sleep(reconnects.pause_after(unavailable))

    async def _follow_on(self, connection: StreamConnection, listener: PriceListener, reconnects: Reconnects) -> None:
        """Use a connection until nothing is followed. Raises VenueError in a group when it can be believed no longer."""
        session = _Session(connection)
        try:
            async with asyncio.TaskGroup() as tasks:
                receiving = tasks.create_task(self._receive(session, listener, reconnects))
                await self._subscribe(session, listener)
                receiving.cancel()
        except* SubscriptionRefused:
            self._suspect(session.asked - session.last.keys())
            raise

    async def _subscribe(self, session: _Session, listener: PriceListener) -> None:
        """Keep the subscriptions of a connection up to what is followed; return when that is nothing."""
        for message in self._protocol.opening():
            await session.connection.send(message)
        while True:
            self._changed.clear()
            before, session.symbols = session.symbols, await self._names()
            if not session.symbols:
                return
            self._show_known(session, before, listener)
            wanted = session.symbols.keys()
            for names in _batches(session.asked - wanted, BATCH):
                session.asked.difference_update(names)
                for name in names:
                    session.last.pop(name, None)
                await session.connection.send(self._protocol.change(names, on=False))
                await asyncio.sleep(_BETWEEN)
            new = wanted - session.asked
            for names in _batches(new - self._suspects, BATCH):
                await self._ask(session, names, _BETWEEN)
            for names in _batches(new & self._suspects, 1):
                await self._ask(session, names, _ALONE)
            await self._wait_for_change()

    async def _ask(self, session: _Session, names: list[str], pause: float) -> None:
        session.asked.update(names)  # before the send: the rows may come at once
        await session.connection.send(self._protocol.change(names, on=True))
        await asyncio.sleep(pause)

    def _show_known(self, session: _Session, before: Mapping[str, frozenset[Symbol]], listener: PriceListener) -> None:
        """Show the last prices to the pairs that are new to their book: it has been asked for, so no snapshot comes."""
        now = self._clock()
        for name, price in session.last.items():
            for symbol in session.symbols.get(name, frozenset()) - before.get(name, frozenset()):
                listener.seen(Price(price, symbol), now)

    async def _receive(self, session: _Session, listener: PriceListener, reconnects: Reconnects) -> NoReturn:
        reader, first = self._protocol.reader(), True
        while True:
            heard = reader.read(await session.connection.receive())
            if first:
                reconnects.connected()
                first = False
            now = self._clock()
            self._refuse_late(session, heard, now)
            listener.alive(now)
            for tick in heard.ticks:
                _show(session, tick, listener, now)
            if refused := session.asked.intersection(heard.refused):
                self._refuse(refused)
                session.asked -= refused
                listener.unseen(_symbols(session, refused), "the venue does not stream them")

    def _refuse_late(self, session: _Session, heard: Heard, now: int) -> None:
        if heard.made_at is None or not self._clock.measured:
            return
        session.late = session.late + 1 if now - heard.made_at > _LATE_MS else 0
        if session.late >= _LATE_ROWS:
            raise Unavailable(f"messages come {(now - heard.made_at) / 1000:.0f} s late")

    def _suspect(self, names: Collection[str]) -> None:
        """Note that one of these pairs was refused."""
        if len(names) == 1:
            self._refuse(names)
            self._suspects.difference_update(names)
        else:
            self._suspects.update(names)

    def _refuse(self, names: Collection[str]) -> None:
        self._refused |= dict.fromkeys(names, self._monotonic() + REFUSED_FOR)

    async def _names(self) -> Mapping[str, frozenset[Symbol]]:
        """Return the names of what is followed, without what the venue has just refused."""
        now = self._monotonic()
        self._refused = {name: until for name, until in self._refused.items() if until > now}
        found = await self._protocol.names(self._wanted) if self._wanted else {}
        return {name: symbols for name, symbols in found.items() if name not in self._refused}

    async def _wait_for_change(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_EVERY):
                await self._changed.wait()
        self._changed.clear()


def _show(session: _Session, tick: Tick, listener: PriceListener, now: int) -> None:
    if tick.name not in session.asked:
        return  # it was sent before the subscription ended
    if tick.price is None:
        session.last.pop(tick.name, None)
        listener.unseen(_symbols(session, [tick.name]), "a row has no price")
        return
    session.last[tick.name] = tick.price
    for symbol in session.symbols.get(tick.name, ()):
        listener.seen(Price(tick.price, symbol), now)


def _symbols(session: _Session, names: Collection[str]) -> list[Symbol]:
    return [symbol for name in names for symbol in session.symbols.get(name, ())]


def _batches(names: Collection[str], size: int) -> list[list[str]]:
    ordered = sorted(names)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _first(error: BaseException) -> VenueError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, VenueError):
        raise error
    return error
