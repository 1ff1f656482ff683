"""Follows the ends of many streams with one command for a thousand of them: only streams with something new are answered.

Nothing is consumed, and no group is needed: positions are in memory, and each entry is returned once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_order, read_entries

_STREAMS: Final = 1_000
"""Streams that one command names: a tenth of a millisecond of the server's time for each hundred."""
_UNREAD: Final = 50
"""Streams that one command names which were never read, or not to their end: each may answer with a whole page."""
_LAST: Final = 2**64 - 1


class StreamFeed:
    """The streams `key(user)` of any users. `page` is how many entries of a stream one step reads at most."""

    def __init__(self, bus: Bus, key: Callable[[str], str], page: int) -> None:
        self._bus = bus
        self._key = key
        self._page = page
        self._after: dict[str, str] = {}
        self._behind: set[str] = set()
        """Users whose last answer was a whole page, so that more may be there."""
        self._turn = 0

    def unfinished(self, users: Sequence[str]) -> int:
        """Return of how many of these users the stream has not been read to its end yet."""
        return len(self._behind.intersection(users)) + sum(user not in self._after for user in users)

    def forget(self) -> None:
        """Begin again: each stream is read from the start that the next step names."""
        self._after.clear()
        self._behind.clear()

    async def step(
        self, users: Sequence[str], start: str = "", most: int = 0, unread: int = 0
    ) -> Mapping[str, list[Entry]]:
        """Read what is new, at most a page of each user: streams that were never read from the entry id `start` on.

        With `most`, only so many streams that were read to their end are looked at, in turn; with `unread`, so many others,
        so that a step stays short and its answer small. Returns the entries by user, without users of whom nothing
        is new. Raises BusUnavailable.
        """
        first = _before(start) if start else "0-0"
        new = [user for user in users if user not in self._after]
        behind = [user for user in users if user in self._behind]
        known = [user for user in users if user in self._after and user not in self._behind]
        slow = [*behind, *new]
        slow = slow[:unread] if unread else slow
        if most and len(known) > most:
            begin, self._turn = self._turn, (self._turn + most) % len(known)
            known = [*known[begin:], *known[:begin]][:most]
        found = await self._read(known, _STREAMS)
        for user in slow:
            self._after.setdefault(user, first)
        return {**found, **await self._read(slow, _UNREAD)}

    async def _read(self, users: Sequence[str], at_once: int) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for first in range(0, len(users), at_once):
            some = {self._key(user): user for user in users[first : first + at_once]}
            rows_of = await self._ask(some)
            self._behind.difference_update(some.values())
            for stream, rows in rows_of:
                user = some[stream]
                found[user] = read_entries(stream, rows)
                self._after[user] = found[user][-1].id
                if len(found[user]) >= self._page:
                    self._behind.add(user)
            await asyncio.sleep(0)  # others are served between two commands
        return found

    async def _ask(self, some: Mapping[str, str]) -> list[Any]:
        """Return the streams that have something new, with their rows."""
        (answer,) = await self._bus.do_all([self._command(list(some), list(some.values()))])
        if not isinstance(answer, Exception):
            return answer or []
        # Redis refuses the command if one key is not a stream: that user's must not hide the others'.
        answers = await self._bus.do_all([self._command([stream], [user]) for stream, user in some.items()])
        return [row for each in answers if isinstance(each, list) for row in each]

    def _command(self, streams: Sequence[str], users: Sequence[str]) -> tuple[str | int, ...]:
        return ("XREAD", "COUNT", self._page, "STREAMS", *streams, *(self._after[user] for user in users))


def _before(entry_id: str) -> str:
    """Return the id after which a stream is read to include `entry_id`."""
    ms, sequence = entry_order(entry_id)
    if sequence:
        return f"{ms}-{sequence - 1}"
    return f"{ms - 1}-{_LAST}" if ms else "0-0"
