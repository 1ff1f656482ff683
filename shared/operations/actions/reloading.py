"""Reading the users' files again: what changed since the last reload, and the sign for running services to read them now.

Services watch the files themselves, and apply a change once a file is unchanged for two checks. A new modification time makes
them read a file again; in a read-only folder services find changes without it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import pairs
from shared.bus.users.settings_source import RedisUserSource
from shared.bus.users.user_settings import UserSettings
from shared.config.errors import ConfigurationError
from shared.config.settings import ConfigSource
from shared.config.users.changes import ChangeKind, settings_of
from shared.config.users.groups import group_of
from shared.config.users.loader import users_folder
from shared.config.users.user_files import UserFiles
from shared.contracts import keys
from shared.operations.actions.port import Ground
from shared.operations.consequence import Consequence, digest_of
from shared.operations.control_log import EVERYBODY, Change, write_change
from shared.operations.errors import ActionRefused
from shared.operations.holdings import count
from shared.operations.request import ActionRequest

_SHOWN: Final = 50

SettingsByUser = Mapping[str, Mapping[str, str]]
"""Every setting as text, by user."""


@dataclass(frozen=True, slots=True)
class UsersFiles:
    """The settings of the last reload (None: there was none), those of now, and the problems of files that cannot be used."""

    before: SettingsByUser | None
    now: SettingsByUser
    problems: tuple[str, ...]
    users: frozenset[str]
    """All users with a file, usable or not."""

    @property
    def changes(self) -> list[dict[str, str]]:
        """Return what has changed since the last reload, setting by setting."""
        return [] if self.before is None else compare(self.before, self.now)


async def read_files(bus: Bus, config: Path, source: ConfigSource = ConfigSource.FILES) -> UsersFiles:
    """Read the users' settings and what the last reload read. Raises ConfigurationError without a folder, BusUnavailable."""
    files = UserFiles(config, RedisUserSource(bus, config) if source is ConfigSource.REDIS else None)
    await files.source.refresh()
    policies = await asyncio.to_thread(files.load)
    now = {user: settings_of(policy) for user, policy in policies.items() if not policy.fault}
    fields = pairs(await bus.do("HGETALL", keys.LAST_RELOADED_SETTINGS))
    before: SettingsByUser | None = {user: json.loads(text) for user, text in fields.items()} or None
    unread = {user: texts for user, texts in (before or {}).items() if user in policies and user not in now}
    return UsersFiles(before, {**unread, **now}, tuple(map(str, policies.problems)), frozenset(policies))


async def apply_files(bus: Bus, config: Path, files: UsersFiles, source: ConfigSource = ConfigSource.FILES) -> bool:
    """Have running services read the settings, and remember what was read; False if the folder is read-only."""
    if source is ConfigSource.REDIS:
        stamped = True
        await UserSettings(bus).repair_index(group_of)
    else:
        stamped = await asyncio.to_thread(_stamp, users_folder(config))
    written = {user: json.dumps(texts, ensure_ascii=False) for user, texts in files.now.items()}
    gone = sorted((files.before or {}).keys() - files.users)
    if gone:
        await bus.do("HDEL", keys.LAST_RELOADED_SETTINGS, *gone)
    if written:
        await bus.do("HSET", keys.LAST_RELOADED_SETTINGS, *flatten(written))
    return stamped


def compare(before: SettingsByUser, now: SettingsByUser) -> list[dict[str, str]]:
    """List users that were added or removed, and settings that changed, by user."""
    rows = []
    for user in sorted(before.keys() | now.keys()):
        if user not in before or user not in now:
            kind = ChangeKind.ADDED if user in now else ChangeKind.REMOVED
            rows.append(_row(user, kind))
            continue
        old, new = before[user], now[user]
        rows += [
            _row(user, ChangeKind.CHANGED, key, old.get(key, "not set"), new.get(key, "not set"))
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
    return rows


class Reloading:
    """The action `reload`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def foresee(self, request: ActionRequest) -> Consequence:
        """Return what has changed since the last reload. Raises ActionRefused without a folder, BusUnavailable."""
        del request
        files = await self._read()
        rows = [" ".join(filter(None, (row["user"], row["change"], row["setting"]))) for row in files.changes]
        arrows = [f"{row['old']} -> {row['new']}" if row["setting"] else "" for row in files.changes]
        details = tuple(f"{row} {arrow}".rstrip() for row, arrow in zip(rows, arrows, strict=True))[:_SHOWN]
        changed = "the first reload" if files.before is None else f"{count(len(rows), 'change')} since the last reload"
        text = f"has running services read the files of {count(len(files.users), 'user')} now: {changed}"
        notes = tuple(f"cannot be used: {problem}" for problem in files.problems[:_SHOWN])
        return Consequence(EVERYBODY, text, details, notes, facts=digest_of([list(details), list(notes)]))

    async def perform(self, request: ActionRequest, change: Change) -> str:
        """Have the files read."""
        del request
        files = await self._read()
        await apply_files(self._ground.bus, self._ground.config, files, self._ground.config_source)
        await write_change(self._ground.bus, change)
        return change.effect

    async def _read(self) -> UsersFiles:
        try:
            return await read_files(self._ground.bus, self._ground.config, self._ground.config_source)
        except ConfigurationError as error:
            raise ActionRefused(str(error)) from None


def _row(user: str, kind: ChangeKind, setting: str = "", old: str = "", new: str = "") -> dict[str, str]:
    return {"user": user, "change": kind.value, "setting": setting, "old": old, "new": new}


def _stamp(folder: Path) -> bool:
    """Set the modification time of every file; False if none may be changed here."""
    stamped = False
    for path in folder.glob("*.toml"):
        with suppress(OSError):  # a broken link must not keep the others from being read
            os.utime(path)
            stamped = True
    return stamped
