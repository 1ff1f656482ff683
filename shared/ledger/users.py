"""The users as commands and the API show them: those with a file, those whose file is invalid, and those without a file who still
hold something from copying.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from shared.bus.connection import Bus
from shared.bus.records import Records
from shared.bus.users.last_settings import LastSettings, holders
from shared.config.users.loader import Users, complete_users, load_users, users_folder
from shared.contracts.fields import MalformedMessageError
from shared.domain.limits.policy import FileState
from shared.domain.position import Position
from shared.domain.values.symbol import Symbol


async def read_users(bus: Bus, config: Path) -> Users:
    """Read the users' files, and what Redis has of users whose file is invalid or gone.

    Raises ConfigurationError if the folder cannot be read, BusUnavailable.
    """
    users = await asyncio.to_thread(load_users, config)
    without_file = await holders(bus) - users.keys()
    bad = {problem.user for problem in users.problems if problem.user}
    last = await LastSettings(bus).read(bad | without_file)
    return complete_users(users, last, without_file, users_folder(config))


async def held_without_file(bus: Bus, users: Users) -> dict[str, str]:
    """Describe what each user without a file holds: `gone, still holds 0.01 BTC at kraken`. Raises BusUnavailable."""
    return {
        user: f"gone, still holds: {await describe_held(bus, user, policy.venues)}"
        for user, policy in users.items()
        if policy.file is FileState.GONE
    }


async def describe_held(bus: Bus, user: str, venues: tuple[str, ...]) -> str:
    """Describe what a user holds from copying, in words. Raises BusUnavailable."""
    found: list[str] = []
    for venue in venues:
        try:
            found += _words(await Records(bus).positions(user, venue))
        except (MalformedMessageError, ValueError):
            found.append(f"what cannot be read at {venue}")
    return ", ".join(found) or "nothing"


def _words(held: Mapping[Symbol, Position]) -> list[str]:
    return [str(position.size) for _, position in sorted(held.items(), key=str) if position.size.amount > 0]
