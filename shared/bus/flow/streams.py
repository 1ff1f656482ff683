"""Streams with consumer groups: read new, replay own pending, acknowledge, append, and the dead-letter stream.

Each group has one fixed consumer name, so that a new owner replays the same pending list and no entry has to be claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from shared.bus.connection import BLOCK_MS, Bus
from shared.bus.errors import BusForbidden, BusRefused, GroupLost
from shared.contracts import keys

MAX_DELIVERIES: Final = 5
"""An entry that could not be read this many times goes to the dead-letter stream."""

NOTHING_DELIVERED: Final = "0-0"
"""The last-delivered id of a group that has not delivered anything yet."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream; `fields` is empty if it was deleted while it was pending."""

    stream: str
    id: str
    fields: Mapping[str, str]


def entry_ms(entry_id: str) -> int:
    """Return the instant (epoch ms, Redis clock) of an entry id."""
    return int(entry_id.split("-", 1)[0])


def entry_order(entry_id: str) -> tuple[int, int]:
    """Return an entry id in a form that compares in stream order."""
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


class Group:
    """One consumer group, with its one consumer, over any number of streams."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self.name = name

    async def ensure(self, streams: Iterable[str]) -> None:
        """Create the group (from the very first entry) on each stream that lacks it."""
        commands: list[tuple[str | int | bytes, ...]] = [
            ("XGROUP", "CREATE", stream, self.name, "0", "MKSTREAM") for stream in streams
        ]
        for answer in await self._bus.do_all(commands):
            if isinstance(answer, Exception) and not str(answer).startswith("BUSYGROUP"):
                raise BusRefused(f"{answer}")

    async def read_new(
        self, streams: Sequence[str], count: int, block_ms: int = BLOCK_MS, *, renew: bool = True
    ) -> list[Entry]:
        """Wait for entries that were never delivered; return an empty list after `block_ms`.

        A missing group (a flush) is created again; without `renew` this raises GroupLost.
        """
        ids = [">"] * len(streams)
        try:
            answer = await self._bus.read(
                "XREADGROUP",
                "GROUP",
                self.name,
                self.name,
                "COUNT",
                count,
                "BLOCK",
                block_ms,
                "STREAMS",
                *streams,
                *ids,
            )
        except BusRefused as error:
            if not str(error).startswith("NOGROUP"):
                raise
            if not renew:
                raise GroupLost(str(error)) from None
            await self.ensure(streams)
            return []
        return _entries(answer)

    async def poll_new(self, stream: str, count: int) -> list[Entry]:
        """Read entries that were never delivered, without waiting for any; a missing group is created again."""
        try:
            answer = await self._bus.do(
                "XREADGROUP", "GROUP", self.name, self.name, "COUNT", count, "STREAMS", stream, ">"
            )
        except BusRefused as error:
            if not str(error).startswith("NOGROUP"):
                raise
            await self.ensure([stream])
            return []
        return _entries(answer)

    async def read_pending(self, stream: str, after: str = "0", count: int = 500) -> list[Entry]:
        """Read entries after the id `after` that were delivered but not acknowledged, oldest first."""
        answer = await self._bus.do(
            "XREADGROUP", "GROUP", self.name, self.name, "COUNT", count, "STREAMS", stream, after
        )
        return _entries(answer)

    async def refused(self, streams: Sequence[str]) -> dict[str, str]:
        """Return the streams that Redis refuses to read, each with its error; a missing group is created again.

        Raises BusUnavailable for an outage that is not about one of them.
        """
        tries = [self._try(stream) for stream in streams]  # sent together, in one round trip
        reasons = zip(streams, await asyncio.gather(*tries), strict=True)
        return {stream: reason for stream, reason in reasons if reason}

    async def _try(self, stream: str) -> str:
        try:
            await self.read_pending(stream, count=1)
        except BusForbidden as error:
            return str(error)
        except BusRefused as error:
            if not str(error).startswith("NOGROUP"):
                return str(error)
            try:
                await self.ensure([stream])
            except (BusRefused, BusForbidden) as failed:
                return str(failed)
        return ""

    async def all_pending(self, stream: str) -> list[Entry]:
        """Read the whole pending list of a stream."""
        found: list[Entry] = []
        after = "0"
        while page := await self.read_pending(stream, after):
            found.extend(page)
            after = page[-1].id
        return found

    async def deliveries(self, stream: str, entry_id: str) -> int:
        """Return how often a pending entry has been delivered; 0 if it is not pending."""
        rows = await self._bus.do("XPENDING", stream, self.name, entry_id, entry_id, 1)
        return int(rows[0][3]) if rows else 0

    async def pending(self, stream: str) -> int:
        """Return how many entries were delivered and not acknowledged."""
        return int((await self._bus.do("XPENDING", stream, self.name))[0])

    async def deliver_again(self, entry: Entry) -> int:
        """Deliver a pending entry once more; return how often it has been delivered."""
        ms, sequence = entry_order(entry.id)
        before = f"{ms}-{sequence - 1}" if sequence else f"{ms - 1}-{2**64 - 1}"
        await self.read_pending(entry.stream, before, 1)
        return await self.deliveries(entry.stream, entry.id)

    async def last_delivered(self, stream: str) -> str:
        """Return the id up to which a stream has been delivered."""
        for row in await self._bus.do("XINFO", "GROUPS", stream):
            facts = dict(zip(row[::2], row[1::2], strict=True))
            if facts["name"] == self.name:
                return str(facts["last-delivered-id"])
        return NOTHING_DELIVERED

    async def ack(self, stream: str, *entry_ids: str) -> None:
        """Acknowledge entries."""
        if entry_ids:
            await self._bus.do("XACK", stream, self.name, *entry_ids)

    async def dead_letter(self, entry: Entry, reason: str) -> None:
        """Move an entry that cannot be read to the dead-letter stream, with the reason, and acknowledge it.

        For a user's stream both keys are in one slot; for the signal stream a crash in between writes at most two dead letters.
        """
        await write_dead_letter(self._bus, entry, self.name, reason)
        await self.ack(entry.stream, entry.id)


async def write_dead_letter(bus: Bus, entry: Entry, group: str, reason: str) -> None:
    """Write an entry with the reason to the dead-letter stream of its stream."""
    flat: list[str] = ["entry_id", entry.id, "group", group, "reason", reason]
    for name, value in entry.fields.items():
        flat += [f"field:{name}", value]
    await bus.do("XADD", keys.dead(entry.stream), "*", *flat)


def read_entries(stream: str, rows: Any) -> list[Entry]:
    """Parse the rows of XRANGE, XREVRANGE or one stream of XREADGROUP."""
    found = []
    for entry_id, flat in rows or ():
        values = iter(flat or ())
        found.append(Entry(stream, entry_id, dict(zip(values, values, strict=True))))
    return found


def _entries(answer: Any) -> list[Entry]:
    return [entry for stream, rows in answer or () for entry in read_entries(stream, rows)]


def flatten(fields: Mapping[str, str]) -> list[str]:
    """Return fields as the flat list that XADD and the scripts take."""
    return list(chain.from_iterable(fields.items()))
