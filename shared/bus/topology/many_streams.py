"""Reads new entries of many users' streams in a cluster, as one XREADGROUP with BLOCK does on one server.

A blocking read cannot name streams of two slots, not even at one node, and a connection for each user would be thousands. So each
stream is read on its own, without blocking, with all others of its node in one round trip; and only when it has changed.

Entries that Redis has delivered must never be lost here: what one stream answers is returned whatever another one answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from redis.exceptions import ResponseError

from shared.bus.client.wire import Command, Words, pack
from shared.bus.topology.cluster import ClusterWire, has_not_run
from shared.bus.topology.cluster_view import ClusterView
from shared.bus.topology.command_slot import slot_of_key
from shared.bus.topology.slot_map import Address
from shared.bus.topology.stream_changes import Mark, StreamChanges

_NEW: Final = ">"
_POLL_EVERY: Final = 0.25
"""Seconds between two reads of a stream whose node does not report changes."""


@dataclass(frozen=True, slots=True)
class GroupRead:
    """A read of new entries of streams in several slots."""

    group: str
    consumer: str
    count: int
    block: float
    """Seconds."""
    streams: Sequence[str]


def read_of_many(command: Command) -> GroupRead | None:
    """Return the parts of a read of new entries whose streams are in several slots; None for any other command.

    It has the form `XREADGROUP GROUP g c COUNT n BLOCK ms STREAMS s1 s2 > >`.
    """
    if isinstance(command, bytes) or len(command) < 13 or command[0] != "XREADGROUP" or command[6] != "BLOCK":
        return None
    rest = command[9:]
    streams = [str(word) for word in rest[: len(rest) // 2]]
    if any(word != _NEW for word in rest[len(streams) :]) or len({slot_of_key(stream) for stream in streams}) < 2:
        return None
    return GroupRead(str(command[2]), str(command[3]), int(command[5]), int(command[7]) / 1000, streams)


class ManyStreams:
    """The reads of many streams, of one process."""

    def __init__(self, view: ClusterView, commands: ClusterWire, changes: StreamChanges) -> None:
        self._view = view
        self._commands = commands
        self._changes = changes
        self._read: dict[tuple[str, str], Mark] = {}
        """The state up to which a group has read a stream."""
        self._refused: dict[tuple[str, str], ResponseError] = {}
        """What streams have answered that were read together with others which had entries."""

    async def ask(self, read: GroupRead) -> Any:
        """Return the entries as XREADGROUP does, None after `block`, or an error reply. Raises as Wire.ask does."""
        loop = asyncio.get_running_loop()
        end = loop.time() + read.block
        while True:
            for stream in read.streams:
                if (refusal := self._refused.pop((read.group, stream), None)) is not None:
                    return refusal
            if self._view.stale:
                await self._view.look_again()
            if due := [stream for stream in read.streams if not self._is_read(read.group, stream)]:
                if (answer := await self._poll(read, due)) is not None:
                    return answer
                if any(self._has_changed(read.group, stream) for stream in due) and loop.time() < end:
                    continue
            if (left := end - loop.time()) <= 0:
                return None
            polled = any((read.group, stream) not in self._read for stream in due)
            await self._changes.wait(read.streams, min(left, _POLL_EVERY) if polled else left)

    async def close(self) -> None:
        """End what follows the changes."""
        await self._changes.close()

    def _is_read(self, group: str, stream: str) -> bool:
        """Return whether a stream has nothing new."""
        mark = self._read.get((group, stream))
        return mark is not None and self._changes.holds(stream, mark)

    def _has_changed(self, group: str, stream: str) -> bool:
        """Return whether a stream has changed since it was read, which was reported."""
        mark = self._read.get((group, stream))
        return mark is not None and not self._changes.holds(stream, mark)

    async def _poll(self, read: GroupRead, due: Sequence[str]) -> Any:
        """Read streams once. Return their entries; an error reply if there are none but that; None if there is nothing."""
        by_node: dict[Address, list[tuple[str, int]]] = {}
        for stream in due:
            slot = slot_of_key(stream)
            by_node.setdefault(self._view.owner(slot), []).append((stream, slot))
        polls = [self._poll_node(node, read, streams) for node, streams in by_node.items()]
        entries: list[Any] = []
        for found in await asyncio.gather(*polls, return_exceptions=True):
            if isinstance(found, BaseException):
                raise found  # what the other nodes have delivered is pending; callers read that after a failure
            entries += found
        if entries:
            return entries
        refused = [key for key in ((read.group, stream) for stream in due) if key in self._refused]
        return self._refused.pop(refused[0]) if refused else None

    async def _poll_node(self, node: Address, read: GroupRead, streams: Sequence[tuple[str, int]]) -> list[Any]:
        """Read streams of one node, each given with its slot, once; note which have nothing left to be read."""
        marks = [self._changes.mark(stream, slot) for stream, slot in streams]  # before: what comes meanwhile is new
        commands = [_command(read.group, read.consumer, read.count, stream) for stream, _ in streams]
        entries: list[Any] = []
        answers = await self._commands.ask_node(node, commands)
        for (stream, _), mark, command, answer in zip(streams, marks, commands, answers, strict=True):
            told = mark
            if has_not_run(answer):  # its slot moves
                ((answer,), told) = (await self._commands.ask([command]), None)  # noqa: PLW2901
            self._note((read.group, stream), told, answer, read.count)
            if not isinstance(answer, ResponseError):
                entries += answer or ()
        return entries

    def _note(self, key: tuple[str, str], mark: Mark | None, answer: Any, count: int) -> None:
        if isinstance(answer, ResponseError):
            self._refused[key] = answer
        elif mark is not None and (not answer or len(answer[0][1]) < count):
            self._read[key] = mark
            return
        self._read.pop(key, None)


@lru_cache(maxsize=65_536)
def _command(group: str, consumer: str, count: int, stream: str) -> bytes:
    words: Words = ("XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", stream, _NEW)
    return pack(words)
