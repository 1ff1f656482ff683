"""The hash of all users' states, written by the api where there are many users, read by commands: one read instead of thousands.

It is for showing only. A reader must look at its age: when no api runs, it says how things were.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.domain.values.numerals import whole

_READ_AT: Final = ":read"
"""The field with the instant until which the rows are kept; no user can have this name."""
_ROWS: Final = 500
"""Rows that one command writes."""


@dataclass(frozen=True, slots=True)
class StoredStates:
    """The stored texts by user, and when they were last kept up to date (epoch ms); 0 if never."""

    rows: Mapping[str, str]
    kept_at: int = 0


async def read_stored_states(bus: Bus) -> StoredStates:
    """Read all stored states. Raises BusUnavailable."""
    (answer,) = await bus.do_all([("HGETALL", keys.USER_STATES)])
    rows = pairs(answer)
    return StoredStates(rows, whole(rows.pop(_READ_AT, "")) or 0)


async def stored_users(bus: Bus) -> set[str]:
    """Return the users of whom a state is stored. Raises BusUnavailable."""
    return {name for name in await bus.do("HKEYS", keys.USER_STATES) if name != _READ_AT}


async def store_states(bus: Bus, changed: Mapping[str, str], gone: Collection[str], now: int) -> None:
    """Write changed rows, remove those of users who are gone, then note that the rows are kept up to date at `now` (epoch ms).

    Raises BusUnavailable; then some may have been written, and the instant not.
    """
    commands: list[tuple[str | int, ...]] = []
    rows = list(changed.items())
    for first in range(0, len(rows), _ROWS):
        some = rows[first : first + _ROWS]
        commands.append(("HSET", keys.USER_STATES, *(part for row in some for part in row)))
    if gone:
        commands.append(("HDEL", keys.USER_STATES, *gone))
    commands.append(("HSET", keys.USER_STATES, _READ_AT, now))
    await bus.do_all(commands)
