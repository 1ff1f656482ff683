"""Writes a user's settings to Redis, by version: the same port as files (`user_store.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from shared.bus.connection import Bus
from shared.bus.users.user_settings import Author, SettingsKind, SettingsVersion, StaleSettings, UserSettings
from shared.config.users.groups import group_of
from shared.config.users.loader import why_no_user_id
from shared.contracts import keys
from shared.operations.errors import ActionRefused, UnknownTarget


class RecordStore:
    """The records `shoal:user_settings:{<user>}`."""

    def __init__(self, bus: Bus) -> None:
        self._settings = UserSettings(bus)

    def place(self, user: str) -> str:
        """Return the key of a user's record."""
        return keys.user_settings(user)

    def require_writable(self) -> None:
        """Do nothing: Redis answers each write."""

    def alone(self) -> AbstractContextManager[None]:
        """Do nothing: versions refuse what another writer has overtaken."""
        return nullcontext()

    async def names(self) -> list[str]:
        """Return the users with a record. Raises BusError."""
        return await self._settings.names()

    async def read(self, user: str) -> SettingsVersion | None:
        """Return a user's record; None if there is none. Raises BusError."""
        if why_no_user_id(user):
            raise UnknownTarget(f"there is no user {user[:40]!r}")
        return await self._settings.read(user)

    async def write(
        self,
        user: str,
        text: str,
        author: Author,
        *,
        over: SettingsVersion | None,
        kind: SettingsKind = SettingsKind.SET,
    ) -> str:
        """Write a version in place of `over`. Raises ActionRefused if that is not there any more, BusError."""
        if why := why_no_user_id(user):
            raise ActionRefused(why)
        mark = over.mark if over else ""
        try:
            version = await self._settings.write(user, text, group_of(text), author, over=mark, kind=kind)
        except StaleSettings as error:
            raise ActionRefused(str(error) if over else f"{self.place(user)} exists already") from None
        return f"now version {version}" + (f"; the former text: version {over.version}" if over else "")

    async def remove(self, present: SettingsVersion, author: Author) -> None:
        """Remove a user's record; its history stays. Raises ActionRefused if it has changed, BusError."""
        try:
            await self._settings.remove(present, author)
        except StaleSettings as error:
            raise ActionRefused(str(error)) from None

    async def history(self, user: str) -> Sequence[SettingsVersion]:
        """Return the versions that are kept, newest first. Raises BusError."""
        return await self._settings.history(user)
