"""The two places of users' settings, as a test writes and reads them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final, Protocol

from shared.bus.connection import Bus
from shared.bus.users.settings_source import RedisUserSource
from shared.bus.users.user_settings import Author, UserSettings
from shared.config.users.groups import group_of
from shared.config.users.source import FileSource, UserSource
from shared.contracts import keys

OLGA: Final = Author("olga", 1_700_000_000_000, "agreed")


class Place(Protocol):
    """Where the settings of a test's users are."""

    source: UserSource
    shown: str
    """What begins the sentence about bob's settings."""

    async def put(self, user: str, text: str) -> None:
        """Write a text, as whoever edits it does."""

    async def drop(self, user: str) -> None:
        """Remove a user's settings."""

    async def damage(self, user: str, text: str) -> None:
        """Write what no command would write: by hand, in an editor or with redis-cli."""


class Files:
    """A folder of files."""

    def __init__(self, config: Path) -> None:
        self.source: UserSource = FileSource(config)
        self._folder = config / "users"
        self._folder.mkdir()
        self.shown = str(self._folder / "bob.toml")
        self._times = itertools.count(1)

    async def put(self, user: str, text: str) -> None:
        """Write a file."""
        (self._folder / f"{user}.toml").write_text(text, encoding="utf-8")

    async def drop(self, user: str) -> None:
        """Remove a file."""
        (self._folder / f"{user}.toml").unlink()

    async def damage(self, user: str, text: str) -> None:
        """Write a file."""
        await self.put(user, text)


class Records:
    """Records in Redis."""

    def __init__(self, config: Path, bus: Bus) -> None:
        self.source: UserSource = RedisUserSource(bus, config)
        self.shown = keys.user_settings("bob")
        self._bus = bus
        self._settings = UserSettings(bus)

    async def put(self, user: str, text: str) -> None:
        """Write a version."""
        present = await self._settings.read(user)
        await self._settings.write(user, text, group_of(text), OLGA, over=present.mark if present else "")

    async def drop(self, user: str) -> None:
        """Remove a record."""
        present = await self._settings.read(user)
        assert present is not None
        await self._settings.remove(present, OLGA)

    async def damage(self, user: str, text: str) -> None:
        """Write over a text without a version, and without a word to anybody."""
        await self._bus.do("HSET", keys.user_settings(user), "text", text)
