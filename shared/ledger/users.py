"""The users as commands and the API show them: those with a file, those whose file is invalid, and those without a file who still
hold something from copying.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Final

from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.bus.users.last_settings import LastSettings, holders_outside
from shared.config.users.loader import ProblemOf, Users, complete_users
from shared.config.users.user_files import UserFiles
from shared.contracts.fields import MalformedMessageError
from shared.domain.limits.policy import FileState, UserPolicy
from shared.domain.position import Position
from shared.domain.values.symbol import Symbol

_LEFT: Final = 'the file is gone and on_leave was "keep": nothing is sold for them'


async def read_users(bus: Bus, config: Path, files: UserFiles | None = None) -> Users:
    """Read the users' settings, and what Redis has of users whose file is invalid or gone. `files` parses only what has changed.

    Raises ConfigurationError if the settings cannot be read, BusUnavailable.
    """
    files = files or UserFiles(config)
    await files.source.refresh()
    users = await asyncio.to_thread(files.load)
    return await _completed(bus, files, users, await holders_outside(bus, users.keys()))


async def read_some_users(
    bus: Bus, config: Path, wanted: Collection[str], without_file: Collection[str], files: UserFiles | None = None
) -> Users:
    """Read the settings of these users only, as `read_users` does of all; `without_file` are those of them who have none.

    Raises ConfigurationError if the settings cannot be read, BusUnavailable.
    """
    files = files or UserFiles(config)
    await files.source.refresh()
    users = await asyncio.to_thread(files.load, wanted)
    return await _completed(bus, files, users, set(without_file))


async def _completed(bus: Bus, files: UserFiles, users: Users, without_file: AbstractSet[str]) -> Users:
    """Return users with the last settings of those whose file is bad or missing."""
    bad = {problem.user for problem in users.problems if problem.user}
    last = await LastSettings(bus).read(bad | without_file)
    served = complete_users(users, last, without_file, files.source.problem)
    return _with_left(served, last, without_file - served.keys(), files.source.problem)


def _with_left(users: Users, last: Mapping[str, UserPolicy], left: AbstractSet[str], problem_of: ProblemOf) -> Users:
    """Return users with those who left with `on_leave = "keep"` and are not served any more: what they hold is still shown."""
    policies, problems = dict(users), list(users.problems)
    for user in sorted(left & last.keys()):
        problem = problem_of(user, _LEFT, FileState.GONE)
        policies[user] = replace(last[user], file=FileState.GONE, fault=str(problem))
        problems.append(problem)
    return Users(policies, problems)


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
