"""Which users a command is about, in one place: those with a file, and those who are gone but whose streams or books still stand.

A misspelt name must never look like an answer: every `--user` goes through here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.ops.users import names_of
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings

_SHOWN: Final = 20


async def everybody(settings: Settings, bus: Bus) -> list[str]:
    """Name all users, in alphabetical order. Raises ConfigurationError, BusUnavailable."""
    return await names_of(settings, bus)


async def users_asked_for(settings: Settings, bus: Bus, user: str, option: str = "--user ") -> list[str]:
    """Name the user that was asked for, or everybody. Raises ConfigurationError for a user who does not exist."""
    users = await everybody(settings, bus)
    if not user:
        return users
    require_known(user, users, option)
    return [user]


def require_known(user: str, users: Iterable[str], option: str = "--user ") -> None:
    """Raise ConfigurationError unless the user is one of these."""
    known = sorted(users)
    if user not in known:
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        names = f"{', '.join(known[:_SHOWN])}{more}" if known else "nobody"
        raise ConfigurationError(f"{option}{user}: there is no such user (known: {names})")
