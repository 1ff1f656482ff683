"""The users as every command sees them: what is wrong with their files is said on stderr, one line each, and stops no command."""

from __future__ import annotations

import sys

from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.users.loader import Users
from shared.domain.limits.policy import FileState
from shared.ledger.reading import known_users
from shared.ledger.users import held_without_file, read_users

_mentioned: set[str] = set()


async def users_of(settings: Settings, bus: Bus) -> Users:
    """Read the users, and mention whose file is bad or gone. Raises ConfigurationError for no folder, BusUnavailable."""
    users = await read_users(bus, settings.shoal_config)
    held = await held_without_file(bus, users)
    for problem in users.problems:
        gone = problem.state is FileState.GONE
        mention(f"{problem.user} is {held[problem.user]}; {problem}" if gone else str(problem))
    return users


async def users_if_any(settings: Settings, bus: Bus) -> Users:
    """Read the users; nobody where the folder cannot be read: a stop has to be possible then too. Raises BusUnavailable."""
    try:
        return await users_of(settings, bus)
    except ConfigurationError as error:
        mention(str(error))
        return Users({})


async def names_of(settings: Settings, bus: Bus) -> list[str]:
    """Name everybody with a file, and everybody of whom Redis knows. Raises BusUnavailable."""
    return sorted({*await known_users(bus), *await users_if_any(settings, bus)})


def mention(text: object) -> None:
    """Print a line on stderr, once in a command."""
    if (line := str(text)) not in _mentioned:
        _mentioned.add(line)
        print(f"ops: {line}", file=sys.stderr)
