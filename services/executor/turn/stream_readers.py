"""The blocking reads of a process: each reads the streams of users who are neighbours in the alphabet.

Redis scans all streams of a read whenever one of them gets an entry. With one read of five thousand streams it would scan them
a few hundred times per signal; neighbours get their decisions together, which costs a scan or two.

In a cluster neighbours whose streams are at one node share a read: the others go on being read while that node is away.
"""

from __future__ import annotations

import asyncio
from bisect import bisect
from collections.abc import Iterable
from typing import Final

from services.executor.turn.order_reader import READING, Deliver, StreamReader
from shared.bus.connection import Bus
from shared.bus.ownership.lease import Lease
from shared.contracts import keys
from shared.domain.fault import Faults
from shared.runtime.supervision import endless

NEIGHBOURS: Final = 64
"""Users per read."""


class StreamReaders:
    """The readers of one process; `users` are all users, in alphabetical order."""

    def __init__(self, bus: Bus, users: Iterable[str], faults: Faults | None = None) -> None:
        self._bus = bus
        self._faults = faults or Faults()
        self._firsts = list(users)[::NEIGHBOURS]
        self._readers: dict[str, StreamReader] = {}
        self._places: dict[str, str] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def register(self, user: str, lease: Lease, deliver: Deliver) -> None:
        """Begin to read a user's orders. Raises BusUnavailable if no server has them."""
        place = self._places[user] = self._place(user)
        reader = self._readers.get(place)
        if reader is None:
            reader = self._readers[place] = StreamReader(self._bus, self._faults, f"{READING} {place}")
            if self._tasks is not None:
                self._tasks.create_task(endless("order reader", reader.run()))
        reader.register(user, lease, deliver)

    async def unregister(self, user: str) -> None:
        """Stop reading a user's orders; returns when no read that includes them is under way any more."""
        if (place := self._places.pop(user, None)) is not None:
            await self._readers[place].unregister(user)

    def _place(self, user: str) -> str:
        """Return the name of the reader of a user."""
        return f"{bisect(self._firsts, user)} {self._bus.node_of(keys.orders(user))}".rstrip()

    async def run(self) -> None:
        """Read for ever, through outages of Redis."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for reader in self._readers.values():
                tasks.create_task(endless("order reader", reader.run()))
            await asyncio.Event().wait()
