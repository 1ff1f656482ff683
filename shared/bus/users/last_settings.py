"""The last settings with which each user was served, for when their file is bad or missing: exits go on by them.

Written by the process that serves the user, read at every start. While there is a file, only the file counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.bus.users.user_index import read_user_index
from shared.config.users.text import read_settings, write_settings
from shared.contracts import keys
from shared.domain.account import is_master
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.venue import VENUES


class LastSettings:
    """Reads and writes the last settings. Every method raises only BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def write(self, policies: Iterable[UserPolicy]) -> None:
        """Write the settings of these users; those that are not from a usable file are left out."""
        kept = [
            ("SET", keys.last_settings(policy.user), write_settings(policy)) for policy in policies if not policy.fault
        ]
        await self._bus.do_all(kept)

    async def read(self, users: Collection[str]) -> dict[str, UserPolicy]:
        """Read the settings of these users; users without readable ones are left out."""
        names = list(users)
        answers = await self._bus.do_all([("GET", keys.last_settings(user)) for user in names])
        found = {}
        for user, answer in zip(names, answers, strict=True):
            if isinstance(answer, str) and (policy := read_settings(user, answer)) is not None:
                found[user] = policy
        return found


async def holders(bus: Bus) -> set[str]:
    """Return every user who holds something from copying, or has a mirrored order. Raises BusUnavailable."""
    names = await bus.scan(keys.positions("*", "*")) + await bus.scan(keys.mirrored("*", "*"))
    found = {name.partition("{")[2].partition("}")[0] for name in names}
    return {name for name in found if not is_master(name)}


async def holders_outside(bus: Bus, known: Collection[str]) -> set[str]:
    """Return the users outside `known` who hold something, for showing them: by the index of users, else by a scan.

    Raises BusUnavailable.
    """
    index = await read_user_index(bus)
    if index is None:
        return await holders(bus) - set(known)
    names = sorted(name for name in index - set(known) if not is_master(name))
    of_user = [[key(user, venue) for key in (keys.positions, keys.mirrored) for venue in VENUES] for user in names]
    held = await bus.do_all([("EXISTS", *each) for each in of_user])
    return {user for user, any_held in zip(names, held, strict=True) if any_held}


async def still_holding(bus: Bus, users: Collection[str]) -> set[str]:
    """Return those of these users who hold something or have unfinished decisions. Raises BusUnavailable."""
    names = list(users)
    of_user = [[key(user, venue) for key in (keys.positions, keys.mirrored) for venue in VENUES] for user in names]
    held = await bus.do_all([("EXISTS", *each) for each in of_user])
    groups = await bus.do_all([("XINFO", "GROUPS", keys.orders(user)) for user in names])
    return {user for user, any_held, answer in zip(names, held, groups, strict=True) if any_held or _behind(answer)}


def _behind(answer: object) -> bool:
    """Return whether a stream has unfinished decisions, by the answer to XINFO GROUPS."""
    for group in answer if isinstance(answer, list) else ():
        facts: dict[str, object] = dict(pairs(group))
        if facts.get("name") == keys.EXECUTOR:
            return facts.get("pending") != 0 or facts.get("lag") not in {0, None}
    return False
