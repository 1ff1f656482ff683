"""Reads streams page by page, and says which part of a stream still stands.

Streams grow to millions of entries: nothing here holds more than one page, and nothing asks the server for more at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.records import pairs
from shared.bus.streams import Entry, entry_order, read_entries
from shared.contracts import keys
from shared.domain.account import MASTER

PAGE: Final = 1_000
"""Entries per round trip: about half a megabyte, a few milliseconds of the server's time."""


@dataclass(frozen=True, slots=True)
class StreamExtent:
    """Which part of a stream still stands: its first entry (None if it is empty), and how many entries are not there any more."""

    first: tuple[int, int] | None = None
    removed: int = 0

    def trimmed(self, entry_id: str) -> bool:
        """Say whether an entry that is not there can have been trimmed from the old end; one out of the middle cannot."""
        return self.removed > 0 and (self.first is None or entry_order(entry_id) < self.first)


WHOLE: Final = StreamExtent()
"""Nothing was ever removed."""


async def entries(bus: Bus, stream: str, after: str = "") -> AsyncIterator[Entry]:
    """Give the entries of a stream, oldest first, those after the id `after`, up to the end as it stands when it is reached."""
    start = f"({after}" if after else "-"
    while True:
        page = read_entries(stream, await bus.do("XRANGE", stream, start, "+", "COUNT", PAGE))
        for entry in page:
            yield entry
        if len(page) < PAGE:
            return
        start = f"({page[-1].id}"


async def stream_extents(bus: Bus, streams: Sequence[str]) -> list[StreamExtent]:
    """Say of each stream what still stands of it."""
    return [_extent(answer) for answer in await bus.do_all([("XINFO", "STREAM", stream) for stream in streams])]


async def known_users(bus: Bus) -> list[str]:
    """Name every user of whom Redis holds a stream or a following record, in alphabetical order; the master is none."""
    found: set[str] = set()
    for key in (keys.orders, keys.reports, keys.following):
        found.update(user_of(name) for name in await bus.scan(key("*")))
    return sorted(found - {MASTER})


def user_of(key: str) -> str:
    """Read the hash tag of a key: `alice` of `shoal:orders:{alice}`."""
    return key.partition("{")[2].partition("}")[0]


def chunks(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """Cut a list into parts of at most `size`."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _extent(answer: Any) -> StreamExtent:
    facts: dict[str, Any] = dict(pairs(answer))
    first = facts.get("first-entry")
    length = int(facts.get("length", 0))
    return StreamExtent(
        first=entry_order(str(first[0])) if first else None,
        removed=int(facts.get("entries-added", length)) - length,
    )
