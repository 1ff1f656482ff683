"""The users that a command concerns: those with a file, and those who are gone but whose streams or positions remain.

Every `--user` is checked here, so that a misspelt name never looks like an answer. What is wrong with a user's file is a
warning on stderr, one line per file, and stops no command.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Final

from services.ops.user.settings.opening import store_of
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_owners
from shared.bus.users.settings_source import user_source
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.users.loader import Users, find_key_clashes
from shared.config.users.user_files import UserFiles
from shared.domain.limits.policy import FileState, UserPolicy
from shared.ledger.reading import known_users
from shared.ledger.users import held_without_file, read_some_users, read_users
from shared.operations.errors import ActionRefused
from shared.operations.settings.user_store import judge

_MAX_NAMES: Final = 20
"""Users that an error message names."""

_CHECKED: Final = 500
"""With more files, commands that need names only do not read them: `status`, `reload` and `preflight` do, and warn."""

_warned: set[str] = set()


async def read_policies(settings: Settings, bus: Bus) -> Users:
    """Read the users, and warn of files that are bad or gone. Raises ConfigurationError for a missing folder, BusUnavailable."""
    users = await read_users(bus, settings.shoal_config, UserFiles(settings.shoal_config, user_source(settings, bus)))
    await _warn_of_problems(bus, users)
    return users


async def read_some_policies(settings: Settings, bus: Bus, wanted: Collection[str]) -> Users:
    """Read some users, and warn of their files; those who have nothing left are left out.

    Raises ConfigurationError for a missing folder, BusUnavailable.
    """
    without_file = {*wanted} - {*await store_of(settings, bus).names()}
    files = UserFiles(settings.shoal_config, user_source(settings, bus, only=wanted))
    users = await read_some_users(bus, settings.shoal_config, wanted, without_file, files)
    await _warn_of_problems(bus, users)
    return users


async def _warn_of_problems(bus: Bus, users: Users) -> None:
    held = await held_without_file(bus, users)
    for problem in users.problems:
        gone = problem.state is FileState.GONE
        warn(f"{problem.user} is {held[problem.user]}; {problem}" if gone else str(problem))


async def read_policies_if_possible(settings: Settings, bus: Bus) -> Users:
    """Read the users; empty if the folder cannot be read, because a stop must work then too. Raises BusUnavailable."""
    try:
        return await read_policies(settings, bus)
    except ConfigurationError as error:
        warn(str(error))
        return Users({})


async def list_users(settings: Settings, bus: Bus) -> list[str]:
    """Return every user with a file and every user that Redis knows, in alphabetical order. Raises BusUnavailable.

    The files are read too, to warn of bad ones, unless there are many of them.
    """
    try:
        names = await store_of(settings, bus).names()
    except ActionRefused as error:
        warn(str(error))
        names = []
    if len(names) <= _CHECKED:
        names = [*await read_policies_if_possible(settings, bus)]
    return sorted({*await known_users(bus), *names})


async def read_policies_of(settings: Settings, bus: Bus, user: str) -> Users:
    """Read the user that `--user` names, or all users if it is empty. With many users, only a bad file makes it read them all.

    Raises ConfigurationError for a missing folder, BusUnavailable.
    """
    store = store_of(settings, bus)
    names = await store.names() if user else []
    if user in names and len(names) > _CHECKED and (present := await store.read(user)) is not None:
        found = judge(settings.shoal_config, present)
        clashes = find_key_clashes(user_source(settings, bus).problem, names)
        if isinstance(found, UserPolicy) and not any(each.user == user for each in clashes):
            return Users({user: found})
    return await read_policies(settings, bus)


async def select_users(settings: Settings, bus: Bus, user: str, *, master: bool = False) -> list[str]:
    """Return the user that `--user` names, or all users if it is empty. Raises ConfigurationError for an unknown user.

    With `master` the owners of the master's accounts count as users, and come first.
    """
    users = [*(await read_master_owners(bus) if master else []), *await list_users(settings, bus)]
    if not user:
        return users
    require_known(user, users)
    return [user]


def require_known(user: str, users: Iterable[str], option: str = "--user ") -> None:
    """Raise ConfigurationError unless the user is one of these."""
    known = sorted(users)
    if user not in known:
        more = f" and {len(known) - _MAX_NAMES} more" if len(known) > _MAX_NAMES else ""
        names = f"{', '.join(known[:_MAX_NAMES])}{more}" if known else "none"
        raise ConfigurationError(f"{option}{user}: there is no such user (known: {names})")


def warn(text: object) -> None:
    """Print a line on stderr, once per command."""
    if (line := str(text)) not in _warned:
        _warned.add(line)
        print(f"ops: {line}", file=sys.stderr)
