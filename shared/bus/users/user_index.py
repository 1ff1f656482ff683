"""The index of users: every user of whom Redis has records from copying, so that showing them needs no scan of the keyspace.

The engine writes it whenever it records who follows, before any decision of a new user. Pages and commands that only show read
it; what acts or audits scans, so that a missing name here never hides a position that has to be sold.
"""

from __future__ import annotations

from collections.abc import Collection

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.domain.account import is_master

_FAMILIES = (keys.orders, keys.reports, keys.following)


async def read_user_index(bus: Bus) -> set[str] | None:
    """Return the users of the index; None if no engine has written one (yet). Raises BusUnavailable."""
    names = await bus.do("HKEYS", keys.KNOWN_USERS)
    return set(names) if names else None


async def scan_users(bus: Bus) -> list[str]:
    """Find every user with a stream or a following record, in alphabetical order; the master is not a user.

    It reads the whole keyspace: not for a page, and not on a timer. Raises BusUnavailable.
    """
    found: set[str] = set()
    for key in _FAMILIES:
        found.update(user_of(name) for name in await bus.scan(key("*")))
    return sorted(name for name in found if not is_master(name))


async def add_to_index(bus: Bus, users: Collection[str], now: int) -> None:
    """Add users who follow at `now` (epoch ms); the first time, everybody who ever followed. Raises BusUnavailable."""
    known = await read_user_index(bus)
    missing = {*users} - known if known is not None else {*users, *await scan_users(bus)}
    if missing:
        await bus.do("HSET", keys.KNOWN_USERS, *flatten({user: str(now) for user in sorted(missing)}))


def user_of(key: str) -> str:
    """Return the hash tag of a key: `alice` for `shoal:orders:{alice}`."""
    return key.partition("{")[2].partition("}")[0]
