"""Reads dead letters: one cause each. A dead-letter stream is only read when its length has changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.bus.flow.streams import entry_ms, read_entries
from shared.bus.users.user_index import user_of
from shared.config.notifications import Event
from shared.contracts import keys

_MOST: Final = 2_000
"""Dead letters of one stream that are looked at."""
_PAGE: Final = 500
_AGAIN_MS: Final = 30_000
"""A stream with dead letters is read again this often: one may have been dropped while another was added."""


class DeadLetterReader:
    """Remembers what each dead-letter stream held, and how many entries it had then."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._found: dict[str, tuple[int, int, list[Cause]]] = {}

    async def read(self, users: Iterable[str], now: int) -> list[Cause]:
        """Return the dead letters of all streams. Raises BusUnavailable."""
        streams = [keys.SIGNALS, keys.MASTER_ORDERS]
        streams += [stream for user in users for stream in (keys.orders(user), keys.resting(user))]
        causes: list[Cause] = []
        for first in range(0, len(streams), _PAGE):
            page = streams[first : first + _PAGE]
            counts = await self._bus.do_all([("XLEN", keys.dead(stream)) for stream in page])
            for stream, count in zip(page, counts, strict=True):
                if isinstance(count, int) and count:
                    causes += await self._of(stream, count, now)
                else:
                    self._found.pop(stream, None)
        return causes

    async def _of(self, stream: str, count: int, now: int) -> list[Cause]:
        known, at, causes = self._found.get(stream, (0, 0, []))
        if known != count or not 0 <= now - at < _AGAIN_MS:
            causes = await self._read(stream)
            self._found[stream] = (count, now, causes)
        return causes

    async def _read(self, stream: str) -> list[Cause]:
        causes: list[Cause] = []
        start = "-"
        while len(causes) < _MOST:
            rows = await self._bus.do("XRANGE", keys.dead(stream), start, "+", "COUNT", _PAGE)
            page = read_entries(stream, rows)
            causes += [
                _cause(stream, each.id, each.fields.get("entry_id", ""), each.fields.get("reason", "")) for each in page
            ]
            if len(page) < _PAGE:
                break
            start = f"({page[-1].id}"
        return causes


def _cause(stream: str, letter: str, entry: str, reason: str) -> Cause:
    user = user_of(stream) if "{" in stream else ""
    return Cause(
        event=Event.DEAD_LETTER,
        key=f"{stream}|{letter}",
        who=user or "everybody",
        what=f"an entry of {stream} could not be read: {reason}",
        since=entry_ms(letter),
        todo=f"ops dead list; ops dead show '{stream}' {entry}",
    )
