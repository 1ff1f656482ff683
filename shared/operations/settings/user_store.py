"""Where a person's change of a user's settings is written: files or Redis, behind one port.

The text is the same in both, with its comments. A change names what its author has seen, and is refused if something else is
there by now; every former text is kept for a while. Nothing here judges a text: see `usable`, which asks what every service asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from shared.bus.connection import Bus
from shared.bus.users.user_settings import Author, SettingsKind, SettingsVersion
from shared.config.errors import ConfigurationError
from shared.config.settings import ConfigSource
from shared.config.users.loader import USERS, FileProblem, policy_of, read_user
from shared.config.users.source import name_of
from shared.domain.limits.policy import UserPolicy
from shared.operations.errors import ActionRefused
from shared.operations.settings.file_store import FileStore
from shared.operations.settings.record_store import RecordStore


class UserStore(Protocol):
    """The texts of all users' settings. Methods raise ActionRefused for what cannot be done, BusError."""

    def place(self, user: str) -> str:
        """Return what a person calls the place of a user's settings."""

    def require_writable(self) -> None:
        """Raise ActionRefused if nothing could be written here: before anything else is made."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep other writers out for as long as reading and writing take, where only that keeps their changes."""

    async def names(self) -> list[str]:
        """Return the users with settings, usable or not, in alphabetical order."""

    async def read(self, user: str) -> SettingsVersion | None:
        """Return the present text of a user; None if there is none."""

    async def write(
        self,
        user: str,
        text: str,
        author: Author,
        *,
        over: SettingsVersion | None,
        kind: SettingsKind = SettingsKind.SET,
    ) -> str:
        """Write a text in place of `over` (None: there must be none); return where the former one is, in words."""

    async def remove(self, present: SettingsVersion, author: Author) -> None:
        """Remove the settings of a user."""

    async def history(self, user: str) -> Sequence[SettingsVersion]:
        """Return the versions that are kept, newest first."""


def open_store(source: ConfigSource, bus: Bus, config: Path) -> UserStore:
    """Return the store of the users' settings."""
    return RecordStore(bus) if source is ConfigSource.REDIS else FileStore(config)


def usable(config: Path, user: str, text: str) -> UserPolicy:
    """Return the settings that a text would be. Raises ActionRefused, in the services' words, if they would not accept it."""
    try:
        return policy_of(text.removeprefix("\ufeff"), _path(config, user))
    except ConfigurationError as error:
        raise ActionRefused(f"{user}: {error}") from None


def judge(config: Path, present: SettingsVersion) -> UserPolicy | FileProblem:
    """Return the settings that a text is, or what is wrong with it."""
    return read_user(_path(config, present.user), lambda: present.text.removeprefix("\ufeff"))


def _path(config: Path, user: str) -> Path:
    return config / USERS / name_of(user)
