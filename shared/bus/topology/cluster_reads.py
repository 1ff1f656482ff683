"""Blocking reads in a Redis Cluster: each on a connection of its own at the owner of its slot, or of many slots without blocking.

MOVED, ASK and TRYAGAIN say that a read has not run, so it is sent again at once; after any other failure it may have delivered
entries, and is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from shared.bus.client.refusals import LOST
from shared.bus.client.wire import Command, Wires
from shared.bus.topology.cluster import ASK, ASKING, LONGEST_PAUSE, MOST_ROUNDS, PAUSE, TRY_AGAIN, has_not_run
from shared.bus.topology.cluster_view import ClusterView
from shared.bus.topology.command_slot import slot_of
from shared.bus.topology.many_streams import ManyStreams, read_of_many
from shared.bus.topology.slot_map import Address, read_redirect


class ClusterReads:
    """The blocking reads of one process. Used as `Wires` is; a read goes to the node of its streams' slot."""

    def __init__(self, view: ClusterView, wires_at: Callable[[Address], Wires], many: ManyStreams) -> None:
        """`wires_at` makes the connections to a node; `many` reads what is in several slots."""
        self._view = view
        self._many = many
        self._wires_at = wires_at
        self._wires: dict[Address, Wires] = {}

    async def ask(self, command: Command) -> Any:
        """Run one command on its own connection and return its answer; an error reply is an answer. Raises as Wire.ask does."""
        if (read := read_of_many(command)) is not None:
            return await self._many.ask(read)
        slot = slot_of(command)
        words: Iterable[Command] = (command,)
        node: Address | None = None
        answer: Any = None
        for attempt in range(1, MOST_ROUNDS):
            if self._view.stale:
                await self._view.look_again()
            node = node or self._view.owner(slot)
            try:
                answer = await self._at(node).ask(*words)
            except LOST:
                self._view.lost(node)
                raise
            if not has_not_run(answer):
                break
            words, node = await self._redirect(command, str(answer), node, attempt)
        return answer

    async def _redirect(
        self, command: Command, text: str, node: Address, attempt: int
    ) -> tuple[tuple[Command, ...], Address | None]:
        """Return what to send, and where to; None is to the slot's owner."""
        if text.startswith(TRY_AGAIN):
            await asyncio.sleep(min(PAUSE * attempt, LONGEST_PAUSE))
            return (command,), None
        slot, to = read_redirect(text, node)
        if text.startswith(ASK):
            return (ASKING, command), to
        self._view.moved(slot, to)
        return (command,), to

    async def close(self) -> None:
        """End all connections."""
        await self._many.close()
        await asyncio.gather(*(wires.close() for wires in self._wires.values()))

    def _at(self, node: Address) -> Wires:
        wires = self._wires.get(node)
        if wires is None:
            wires = self._wires[node] = self._wires_at(node)
        return wires
