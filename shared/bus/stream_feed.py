"""Follows the ends of many streams with one command for a thousand of them: only streams with something new are answered.

Nothing is consumed, and no group is needed: positions are in memory, and each entry is returned once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.streams import Entry, entry_order, read_entries

_STREAMS: Final = 1_000
"""Streams that one command names: a tenth of a millisecond of the server's time for each hundred."""
_UNREAD: Final = 50
"""Streams that one command names which were never read: each may answer with a whole page."""
_LAST: Final = 2**64 - 1


class StreamFeed:
    """The streams `key(user)` of any users. `page` is how many entries of a stream one step reads at most."""

    def __init__(self, bus: Bus, key: Callable[[str], str], page: int) -> None:
        self._bus = bus
        self._key = key
        self._page = page
        self._after: dict[str, str] = {}
        self._turn = 0

    def forget(self) -> None:
        """Begin again: each stream is read from the start that the next step names."""
        self._after.clear()

    async def step(self, users: Sequence[str], start: str = "", most: int = 0) -> Mapping[str, list[Entry]]:
        """Read what is new, at most a page of each user: streams that were never read from the entry id `start` on.

        With `most`, only so many of the others are looked at, in turn. Returns the entries by user, without users of whom nothing
        is new. Raises BusUnavailable.
        """
        first = _before(start) if start else "0-0"
        unread = [user for user in users if user not in self._after]
        known = [user for user in users if user in self._after]
        if most and len(known) > most:
            begin, self._turn = self._turn, (self._turn + most) % len(known)
            known = [*known[begin:], *known[:begin]][:most]
        found = await self._read(known, _STREAMS)
        self._after.update(dict.fromkeys(unread, first))
        return {**found, **await self._read(unread, _UNREAD)}

    async def _read(self, users: Sequence[str], at_once: int) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for first in range(0, len(users), at_once):
            some = {self._key(user): user for user in users[first : first + at_once]}
            for stream, rows in await self._ask(some):
                user = some[stream]
                found[user] = read_entries(stream, rows)
                self._after[user] = found[user][-1].id
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
