"""Reads streams page by page, and finds out which part of a stream has been trimmed.

Streams grow to millions of entries: nothing here holds more than one page, or asks the server for more at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_order, read_entries
from shared.bus.state.records import pairs
from shared.bus.users.user_index import read_user_index, scan_users
from shared.domain.account import is_master

PAGE: Final = 1_000
"""Entries per round trip: about half a megabyte, a few milliseconds of the server's time."""


@dataclass(frozen=True, slots=True)
class StreamExtent:
    """What a stream still holds: its first entry (None if it is empty), and how many entries were removed.

    `last` is the last entry that it ever had.
    """

    first: tuple[int, int] | None = None
    removed: int = 0
    last: tuple[int, int] = (0, 0)

    def trimmed(self, entry_id: str) -> bool:
        """Return whether a missing entry may have been trimmed from the old end; one missing from the middle was not."""
        return self.removed > 0 and (self.first is None or entry_order(entry_id) < self.first)

    @property
    def complete_since(self) -> int:
        """Return the instant (epoch ms, by the ids) since which nothing was trimmed; 0 if nothing ever was."""
        if not self.removed:
            return 0
        return self.last[0] + 1 if self.first is None else self.first[0]


WHOLE: Final = StreamExtent()
"""Nothing was ever removed."""


async def entries(bus: Bus, stream: str, after: str = "") -> AsyncIterator[Entry]:
    """Iterate over the entries of a stream after the id `after`, oldest first, up to the end at the time it is reached."""
    start = f"({after}" if after else "-"
    while True:
        page = read_entries(stream, await bus.do("XRANGE", stream, start, "+", "COUNT", PAGE))
        for entry in page:
            yield entry
        if len(page) < PAGE:
            return
        start = f"({page[-1].id}"


async def stream_extents(bus: Bus, streams: Sequence[str]) -> list[StreamExtent]:
    """Read what each stream still holds."""
    return [_extent(answer) for answer in await bus.do_all([("XINFO", "STREAM", stream) for stream in streams])]


async def known_users(bus: Bus) -> list[str]:
    """Return every user with records in Redis, in alphabetical order, for showing them; the master is not a user.

    It reads the engine's index, and scans the keyspace only where there is none. What acts uses `scan_users`.
    """
    found = await read_user_index(bus)
    return await scan_users(bus) if found is None else sorted(name for name in found if not is_master(name))


def _extent(answer: Any) -> StreamExtent:
    facts: dict[str, Any] = dict(pairs(answer))
    first = facts.get("first-entry")
    length = int(facts.get("length", 0))
    return StreamExtent(
        first=entry_order(str(first[0])) if first else None,
        removed=int(facts.get("entries-added", length)) - length,
        last=entry_order(str(facts.get("last-generated-id", "0-0"))),
    )
