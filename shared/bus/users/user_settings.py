"""The users' settings in Redis: each user's text in a record of its own, versioned, and an index by which changes are noticed.

A write names what its author has seen, and is refused if that is no longer there. The record is written first and the index
second, since they may be at different servers: a process that dies in between leaves a change that is found late (see
`settings_source.py`), never one that is half there. `repair_index` completes such a change at once. Nothing here judges a text:
that is done before it is written, and again by every reader.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.bus.users.user_index import user_of
from shared.contracts import keys
from shared.domain.values.numerals import whole

KEPT: Final = 20
"""Versions of each user's settings in the history."""
LAST_CHANGE: Final = "."
"""The index's field with the token of the last change: no user has that name."""
READ_ALL: Final = "*"
"""The index's field with the token of the last request to read everything again."""
BROKEN: Final = "broken"
"""The mark of what is not a record of settings."""
_WRITE: Final = load("write_user_settings")
_ANNOUNCE: Final = load("announce_user_settings")
_PAGE: Final = 256


class StaleSettings(Exception):  # noqa: N818  # a state of the record, named as one
    """The settings are no longer those that the author of a change has seen."""


class SettingsKind(StrEnum):
    """How a version of settings came about."""

    SET = "set"
    IMPORT = "import"
    RESTORE = "restore"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes settings, when (epoch ms) and why."""

    by: str
    at: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """One version. `mark` stands for exactly this text in this version; only that of a present one can be written over."""

    user: str
    version: str
    text: str
    by: str = ""
    at: int = 0
    why: str = ""
    kind: str = ""
    mark: str = ""


class UserSettings:
    """Reads and writes settings. Every method raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def names(self) -> list[str]:
        """Return the users of the index, in alphabetical order."""
        return sorted({*await self._bus.do("HKEYS", keys.USER_SETTINGS)} - {LAST_CHANGE, READ_ALL})

    async def read(self, user: str) -> SettingsVersion | None:
        """Return a user's settings; None if there are none. The text of a broken record is empty."""
        (answer,) = await self._bus.do_all([("HGETALL", keys.user_settings(user))])
        fields = pairs(answer)
        if not fields and not isinstance(answer, Exception):
            return None
        return _version(user, fields, mark_of(fields.get("version"), fields.get("text")))

    async def write(
        self, user: str, text: str, group: str, author: Author, *, over: str, kind: SettingsKind = SettingsKind.SET
    ) -> str:
        """Write a user's settings in place of those with the mark `over` (empty: there are none); return the version.

        Raises StaleSettings, and writes nothing then.
        """
        version = await self._write(user, text, author, over, kind)
        await self._announce(user, version, group)
        return version

    async def remove(self, present: SettingsVersion, author: Author) -> None:
        """Remove a user's settings; the history keeps them. Raises StaleSettings, and removes nothing then."""
        await self._write(present.user, present.text, author, present.mark, SettingsKind.REMOVE)
        await self._announce(present.user, "", "")

    async def history(self, user: str) -> Sequence[SettingsVersion]:
        """Return the versions that are kept, newest first; the first one is the present one, or the removal."""
        rows = await self._bus.do("XREVRANGE", keys.user_settings_history(user), "+", "-")
        return [_version(user, pairs(fields), "") for _, fields in rows]

    async def repair_index(self, group_of: Callable[[str], str]) -> list[str]:
        """Have every process read all settings again, and correct the index by the records; return their users.

        Scans the keyspace: on request, never on a timer. `group_of` returns the group that a text names.
        """
        found = sorted({user_of(name) for name in await self._bus.scan(keys.user_settings("*"))})
        token, index = _token(), {}
        for first in range(0, len(found), _PAGE):
            page = found[first : first + _PAGE]
            rows = await self._bus.do_all([("HMGET", keys.user_settings(user), "version", "text") for user in page])
            for user, row in zip(page, rows, strict=True):
                version, text = row if isinstance(row, list) else ("", "")
                index[user] = f"{whole(version or '') or 0} {token} {group_of(text or '')}"
        if gone := sorted({*await self.names()} - index.keys()):
            await self._bus.do("HDEL", keys.USER_SETTINGS, *gone)
        marks = {LAST_CHANGE: token, READ_ALL: token}
        await self._bus.do("HSET", keys.USER_SETTINGS, *flatten(index | marks))
        return found

    async def _write(self, user: str, text: str, author: Author, over: str, kind: SettingsKind) -> str:
        answer = await self._bus.run(
            _WRITE,
            [keys.user_settings(user), keys.user_settings_history(user)],
            [over, text, author.by, author.at, author.why, kind, KEPT],
        )
        outcome, value = answer
        if outcome != "ok":
            raise StaleSettings(f"the settings of {user} were changed by somebody else in the meantime: look again")
        return str(value)

    async def _announce(self, user: str, version: str, group: str) -> None:
        await self._bus.run(_ANNOUNCE, [keys.USER_SETTINGS], [user, version, _token(), group])


def mark_of(version: str | None, text: str | None) -> str:
    """Return what stands for a text in a version, as the script that writes compares it."""
    if version is None or text is None:
        return BROKEN
    return f"{version}:{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}"


def _token() -> str:
    return secrets.token_hex(6)


def _version(user: str, fields: dict[str, Any], mark: str) -> SettingsVersion:
    said = {name: str(fields.get(name, "")) for name in ("version", "text", "by", "why", "kind")}
    return SettingsVersion(user, at=whole(str(fields.get("at", ""))) or 0, mark=mark, **said)
