"""Which streams of decisions have changed, as the nodes of a cluster report it: one connection to each, however many streams.

Redis cannot block on streams of several slots. It can name every key with a prefix that somebody changes (CLIENT TRACKING in its
broadcast mode, on a connection of RESP3). So a process asks the nodes for that, and reads a stream only after it was named.

A report may be missed only together with its connection, or while a slot moves. So a mark (`mark`) holds for one node, one
connection and half a minute at most: a stream must never stay unread because nothing was reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog
from redis.exceptions import RedisError, ResponseError

from shared.bus.client.push_wire import Pushed
from shared.bus.client.refusals import LOST
from shared.bus.client.wire import Wire
from shared.bus.topology.cluster_view import ClusterView
from shared.bus.topology.slot_map import Address
from shared.contracts import keys

_START: Final = (("HELLO", 3), ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", keys.OF_ORDERS))
_PING: Final = ("PING",)
_PING_EVERY: Final = 2.0
"""Seconds; a node that has gone silent is noticed by a ping without an answer."""
_DOUBT_AFTER: Final = 15
"""Pings after which every mark ends: nothing should be found then."""
_AGAIN: Final = 0.5
"""Seconds after a lost connection."""
_REFUSED: Final = 60.0
"""Seconds until a node that refuses to report is asked again: it may have been given the right."""

log = structlog.get_logger()


class Mark(NamedTuple):
    """A state of a stream; `StreamChanges.holds` tells whether it is still the present one."""

    slot: int
    node: Address
    term: int
    changes: int


@dataclass(slots=True)
class _Node:
    """What is known of one node's reports."""

    wire: Wire
    task: asyncio.Task[None]
    reports: bool = False
    term: int = 0
    """Rises whenever a change may have been missed."""


class StreamChanges:
    """The changes at all nodes, followed by one process."""

    def __init__(self, view: ClusterView, wire_at: Callable[[Address, Callable[[], None], Pushed], Wire]) -> None:
        """`wire_at` makes a connection to a node, with what is called when it is lost, and at each push."""
        self._view = view
        self._wire_at = wire_at
        self._nodes: dict[Address, _Node] = {}
        self._changes: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._refused = False

    def mark(self, stream: str, slot: int) -> Mark | None:
        """Return the present state of a stream, whose slot this is; None while changes at its node are not reported."""
        node = self._view.owner(slot)
        found = self._nodes.get(node)
        if found is None:
            self._begin(node)
            return None
        if not found.reports or not stream.startswith(keys.OF_ORDERS):
            return None
        return Mark(slot, node, found.term, self._changes.setdefault(stream, 0))

    def holds(self, stream: str, mark: Mark) -> bool:
        """Return whether a stream is at the same node and has certainly not changed."""
        found = self._nodes.get(mark.node)
        return (
            found is not None
            and found.reports
            and found.term == mark.term
            and self._changes[stream] == mark.changes
            and self._view.slots.owners[mark.slot] == mark.node
        )

    async def wait(self, streams: Iterable[str], seconds: float) -> None:
        """Wait until one of these streams has changed, or might have; for so many seconds at most."""
        changed = asyncio.get_running_loop().create_future()
        for stream in streams:
            self._waiting.setdefault(stream, set()).add(changed)
        try:
            await asyncio.wait([changed], timeout=seconds)
        finally:
            for stream in streams:
                waiting = self._waiting[stream]
                waiting.discard(changed)
                if not waiting:
                    del self._waiting[stream]

    async def close(self) -> None:
        """End all connections."""
        nodes = list(self._nodes.values())
        for each in nodes:
            each.task.cancel()
        await asyncio.gather(*(each.task for each in nodes), return_exceptions=True)
        await asyncio.gather(*(each.wire.close() for each in nodes))

    def _begin(self, node: Address) -> None:
        wire = self._wire_at(node, lambda: self._lost(node), lambda words: self._pushed(node, words))
        self._nodes[node] = _Node(wire, asyncio.create_task(self._follow(node)))

    async def _follow(self, node: Address) -> None:
        """Follow a node for as long as it is a primary."""
        state = self._nodes[node]
        while node in self._view.slots.replicas:
            try:
                refused = await self._start(state)
                while state.reports:
                    await self._keep(node, state)
            except (*LOST, RedisError):
                refused = False
            self._doubt(state, reports=False)
            await asyncio.sleep(_REFUSED if refused else _AGAIN)
        del self._nodes[node]
        await state.wire.close()

    async def _start(self, state: _Node) -> bool:
        """Ask a node for its reports; return whether it refuses."""
        for answer in await state.wire.ask(_START):
            if isinstance(answer, ResponseError):
                if not self._refused:
                    self._refused = True
                    log.warning(
                        "a node of the Redis Cluster does not report changed streams: they are polled",
                        reason=str(answer),
                    )
                return True
        self._doubt(state, reports=True)
        return False

    async def _keep(self, node: Address, state: _Node) -> None:
        """Watch over the connection until its marks are too old, or until it is lost (then it does not report any more)."""
        for _ in range(_DOUBT_AFTER):
            await asyncio.sleep(_PING_EVERY)
            if not state.reports:
                return
            await state.wire.ask([_PING])
            if node not in self._view.slots.replicas:
                state.reports = False
                return
        self._doubt(state, reports=state.reports)

    def _lost(self, node: Address) -> None:
        self._view.lost(node)
        if (state := self._nodes.get(node)) is not None:
            self._doubt(state, reports=False)

    def _doubt(self, state: _Node, *, reports: bool) -> None:
        """Have every stream of a node read again: changes may have been missed."""
        state.reports = reports
        state.term += 1
        for waiting in self._waiting.values():
            _wake(waiting)

    def _pushed(self, node: Address, words: list[Any]) -> None:
        if len(words) != 2 or words[0] != "invalidate":
            return
        if words[1] is None:  # the node was flushed
            if (state := self._nodes.get(node)) is not None:
                self._doubt(state, reports=state.reports)
            return
        for name in words[1]:
            if (count := self._changes.get(name)) is not None:
                self._changes[name] = count + 1
                if (waiting := self._waiting.get(name)) is not None:
                    _wake(waiting)


def _wake(waiting: Iterable[asyncio.Future[None]]) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None)
