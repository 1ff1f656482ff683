"""Reads the report streams in pages, every outcome once from the first on, for the counters of `/metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.streams import Entry, read_entries
from shared.contracts import keys
from shared.ledger.signal_views import instant

_PAGE: Final = 200
"""Entries per user and round trip: catching up must not block the event loop."""
_USERS: Final = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """One settled order. `latency_ms` is from the master's fill to the venue's acceptance, None if nothing was accepted."""

    user: str
    outcome: str
    latency_ms: int | None


class OutcomeFeed:
    """Remembers how far each user's reports have been read, and returns each outcome once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._after: dict[str, str] = {}

    async def read(self, users: Sequence[str]) -> list[Outcome]:
        """Return the next outcomes of these users, at most a page of each. Raises BusUnavailable."""
        found = []
        for first in range(0, len(users), _USERS):
            found += await self._page(users[first : first + _USERS])
        return found

    async def _page(self, users: Sequence[str]) -> list[Outcome]:
        starts = [f"({self._after[user]}" if user in self._after else "-" for user in users]
        answers = await self._bus.do_all(
            [
                ("XRANGE", keys.reports(user), start, "+", "COUNT", _PAGE)
                for user, start in zip(users, starts, strict=True)
            ]
        )
        found = []
        for user, rows in zip(users, answers, strict=True):
            entries = read_entries(keys.reports(user), rows if isinstance(rows, list) else [])
            if entries:
                self._after[user] = entries[-1].id
            found += [_outcome(user, entry) for entry in entries]
        return found


def _outcome(user: str, entry: Entry) -> Outcome:
    signal_at, accepted_at = instant(entry.fields, "signal_at"), instant(entry.fields, "accepted_at")
    latency = accepted_at - signal_at if accepted_at and signal_at else None
    return Outcome(user, entry.fields.get("outcome", ""), latency)
