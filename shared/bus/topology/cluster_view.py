"""What one process knows of a cluster: which node owns which slots, and how it learns of changes.

Several nodes are asked, and the one with the latest epoch is believed: a node that is cut off from the others keeps naming the
former owners. What is known may be late, but never causes a second run: a wrong owner answers MOVED.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError, ResponseError

from shared.bus.client.refusals import LOST
from shared.bus.client.wire import Wire
from shared.bus.topology.command_slot import ANYWHERE, slot_of_key
from shared.bus.topology.slot_map import Address, SlotMap, read_slots
from shared.contracts import keys

_TOGETHER: Final = 3
"""Nodes that are asked at once."""
_AGAIN_AFTER: Final = 0.2
"""Seconds between two readings of the map, however many commands find it out of date."""
_EPOCH: Final = "cluster_current_epoch:"
_OK: Final = "cluster_state:ok"
_CLOCK_SLOT: Final = slot_of_key(keys.SIGNALS)
"""Where commands without a key go: the server that numbers the signals is the clock of all of Shoal."""

log = structlog.get_logger()


class _Reading(NamedTuple):
    """What one node says; of several the greatest is believed."""

    healthy: bool
    epoch: int
    number: int
    slots: SlotMap


class ClusterView:
    """The map of one cluster, shared by all connections of a process."""

    def __init__(self, seeds: Sequence[Address], wire_at: Callable[[Address], Wire]) -> None:
        """`wire_at` makes a connection for one question: with a short time-out, and closed after it."""
        self._seeds = list(seeds)
        self._wire_at = wire_at
        self._first: list[Address] = []
        """Nodes to ask first: those that another one has named as the owner of a slot."""
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None
        self.slots = SlotMap()
        self.stale = True
        """Whether the map should be read again before the next command."""
        self.silent: set[Address] = set()
        """Nodes whose connection was lost since the map was last read."""

    def owner(self, slot: int) -> Address:
        """Return the node of a slot, or of commands without a key. Raises RedisConnectionError if it has none."""
        found = self.slots.owners[_CLOCK_SLOT if slot == ANYWHERE else slot]
        if not found.host:
            self.stale = True
            raise RedisConnectionError(f"no node of the cluster serves slot {slot}")
        return found

    def lost(self, node: Address) -> None:
        """Record that a connection to a node was lost, or could not be made: another may have taken over."""
        self.silent.add(node)
        self.stale = True

    def moved(self, slot: int, to: Address) -> None:
        """Record what a node has said about a slot; others have probably moved with it."""
        self.slots.move(slot, to)
        self._first = [to]
        self.stale = True

    async def look_again(self) -> None:
        """Have the map read, without waiting for it unless there is none: a silent node must not delay commands to the others."""
        reading = self._begin_reading()
        if reading is not None and not self.slots.primaries:
            await asyncio.shield(reading)

    async def refresh(self) -> None:
        """Read the map, if it was not just read. Raises RedisConnectionError if no node answers."""
        if (reading := self._begin_reading()) is not None:
            await asyncio.shield(reading)

    def _begin_reading(self) -> asyncio.Task[None] | None:
        """Return the reading under way, or a new one; None if the map was just read."""
        if self._reading is None:
            if self._read_at and asyncio.get_running_loop().time() < self._read_at + _AGAIN_AFTER:
                return None
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._end_reading)
        return self._reading

    def _end_reading(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # a caller that waits raises it; the others meet the node that is away

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        self.stale = False  # what is learned while it is read counts again
        self.silent.clear()
        others = {
            *self.slots.primaries,
            *(each for some in self.slots.replicas.values() for each in some),
            *self._seeds,
        }
        waiting = [*self._first, *random.sample(sorted(others - {*self._first}), len(others - {*self._first}))]
        self._first = []
        reasons: list[str] = []
        while waiting:
            some, waiting = waiting[:_TOGETHER], waiting[_TOGETHER:]
            answers = await asyncio.gather(*map(self._ask, some, range(len(some))))
            found = [each for each in answers if isinstance(each, _Reading)]
            reasons += [each for each in answers if isinstance(each, str)]
            if found:
                self._apply(max(found))
                self._read_at = loop.time()
                return
        self.stale = True
        self._read_at = loop.time()
        raise RedisConnectionError(f"no node of the cluster answers: {'; '.join(reasons[:_TOGETHER])}")

    async def _ask(self, node: Address, number: int) -> _Reading | str:
        """Return what a node says, or why it says nothing."""
        wire = self._wire_at(node)
        try:
            info, slots = await wire.ask([("CLUSTER", "INFO"), ("CLUSTER", "SLOTS")])
            if isinstance(slots, ResponseError):
                return f"{node}: {slots}"
            lines = str(info).splitlines()
            epoch = max((int(line.removeprefix(_EPOCH)) for line in lines if line.startswith(_EPOCH)), default=0)
            return _Reading(_OK in lines, epoch, -number, read_slots(slots, node))
        except (*LOST, RedisError, ValueError) as error:
            return f"{node}: {error}"
        finally:
            await wire.close()

    def _apply(self, reading: _Reading) -> None:
        former, self.slots = self.slots, reading.slots
        if former.primaries and sorted(former.primaries) != sorted(self.slots.primaries):
            log.warning(
                "the primaries of the Redis Cluster have changed", now=", ".join(map(str, self.slots.primaries))
            )

    async def close(self) -> None:
        """End a reading under way."""
        if (reading := self._reading) is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
