"""The last settings by which each user was served, for when their file is bad or gone: exits go on by them.

Written by whoever serves the user, read at every start. They are no second source of settings: while there is a file, it decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from shared.bus.connection import Bus
from shared.bus.records import pairs
from shared.config.users.text import read_settings, write_settings
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.venue import VENUES


class LastSettings:
    """Reads and writes them. Every method raises only BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def write(self, policies: Iterable[UserPolicy]) -> None:
        """Keep the settings of these users; only those of a file that could be used are worth it."""
        kept = [
            ("SET", keys.last_settings(policy.user), write_settings(policy)) for policy in policies if not policy.fault
        ]
        await self._bus.do_all(kept)

    async def read(self, users: Collection[str]) -> dict[str, UserPolicy]:
        """Read the settings of these users; those of whom nothing can be read are left out."""
        names = list(users)
        answers = await self._bus.do_all([("GET", keys.last_settings(user)) for user in names])
        found = {}
        for user, answer in zip(names, answers, strict=True):
            if isinstance(answer, str) and (policy := read_settings(user, answer)) is not None:
                found[user] = policy
        return found


async def holders(bus: Bus) -> set[str]:
    """Name every user who holds something from copying. Raises BusUnavailable."""
    names = await bus.scan(keys.positions("*", "*"))
    return {name.partition("{")[2].partition("}")[0] for name in names} - {MASTER}


async def still_holding(bus: Bus, users: Collection[str]) -> set[str]:
    """Name those of these users for whom something is held or still to be carried out. Raises BusUnavailable."""
    names = list(users)
    held = await bus.do_all([("EXISTS", *(keys.positions(user, venue) for venue in VENUES)) for user in names])
    groups = await bus.do_all([("XINFO", "GROUPS", keys.orders(user)) for user in names])
    return {user for user, any_held, answer in zip(names, held, groups, strict=True) if any_held or _behind(answer)}


def _behind(answer: object) -> bool:
    """Return whether an order has not been carried out to its end, by the answer about the groups of a stream."""
    for group in answer if isinstance(answer, list) else ():
        facts: dict[str, object] = dict(pairs(group))
        if facts.get("name") == keys.EXECUTOR:
            return facts.get("pending") != 0 or facts.get("lag") not in {0, None}
    return False
