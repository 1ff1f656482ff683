"""Follows the users' files while a service runs: files that come, change and go, without a restart.

A file counts once it has stood unchanged for two looks, so that a half-written one, or one that an editor is about to put back,
changes nothing. One that cannot be read keeps the settings that its user had, and stops nobody else's change.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from shared.config.changes import ChangeKind, UserChange, changes
from shared.config.errors import ConfigurationError
from shared.config.users import USERS, load_user, load_users, sharing_one_variable, users_folder
from shared.domain.policy import UserPolicy

_EVERY, _AT_LATEST = 1.0, 10.0
"""Seconds between two looks. A change is in force after two of them, of which the second comes soon."""
_SHARE: Final = 0.001
"""How much of a core looking may take: with a thousand files a look is milliseconds, and comes every few seconds."""
_Stamp = tuple[int, int, int] | None
"""Change time, size and inode of a file; None if there is none."""

log = structlog.get_logger()


class UsersWatch:
    """The users as they are now, and what changed since the last look."""

    def __init__(self, config: Path) -> None:
        """Read everything once. Raises ConfigurationError: a start with wrong settings is no start."""
        self._config = config
        self._stamps = self._look()
        self._fresh: dict[str, _Stamp] = {}
        self._users = load_users(config)

    @property
    def users(self) -> Mapping[str, UserPolicy]:
        """Give every user with valid settings, disabled ones included, by id in alphabetical order."""
        return self._users

    async def run(self, apply: Callable[[Mapping[str, UserPolicy]], None]) -> None:
        """Look for ever; `apply` is given all users whenever something has changed."""
        pause = _EVERY
        while True:
            await asyncio.sleep(pause)
            found, problems, took = await asyncio.to_thread(self._timed_look)
            pause = _EVERY if self._fresh else min(max(_EVERY, took / _SHARE), _AT_LATEST)
            for problem in problems:
                log.error("settings not taken over; the user's former ones stay in force", reason=problem)
            for change in found:
                _tell(change)
            if found:
                apply(self._users)

    def _timed_look(self) -> tuple[list[UserChange], list[str], float]:
        began = time.thread_time()
        found, problems = self.look()
        return found, problems, time.thread_time() - began

    def look(self) -> tuple[list[UserChange], list[str]]:
        """Look once: what changed, and one line for each file that could not be taken over."""
        try:
            now = self._look()
        except ConfigurationError:
            return [], []  # a folder that is gone is being replaced, not emptied
        if now == self._stamps and not self._fresh:
            return [], []
        settled = [name for name in sorted(self._stamps.keys() | now.keys()) if self._settled(name, now.get(name))]
        users, problems = dict(self._users), []
        for name in settled:
            path = self._config / USERS / name
            stamp = now.get(name)
            if stamp is None:
                self._stamps.pop(name)
                users.pop(path.stem, None)
                continue
            self._stamps[name] = stamp
            try:
                users[path.stem] = self._load(path, users)
            except ConfigurationError as error:
                problems.append(str(error))
        before, self._users = self._users, dict(sorted(users.items()))
        return changes(before, self._users), problems

    def _settled(self, name: str, stamp: _Stamp) -> bool:
        """Say whether a file differs from what is in force, and has done so alike for two looks."""
        if self._stamps.get(name) == stamp:
            self._fresh.pop(name, None)
            return False
        if name in self._fresh and self._fresh[name] == stamp:
            self._fresh.pop(name)
            return True
        self._fresh[name] = stamp
        return False

    @staticmethod
    def _load(path: Path, users: Mapping[str, UserPolicy]) -> UserPolicy:
        policy = load_user(path)
        if clash := sharing_one_variable(dict.fromkeys([*users, path.stem])):
            raise ConfigurationError(f"{path}: {clash}")
        return policy

    def _look(self) -> dict[str, _Stamp]:
        """Give the stamp of each file, by its name."""
        stamps: dict[str, _Stamp] = {}
        with os.scandir(users_folder(self._config)) as files:
            for file in files:
                if not file.name.endswith(".toml"):
                    continue
                try:
                    facts = file.stat()
                except OSError:
                    continue  # gone between the listing and now
                stamps[file.name] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        return stamps


def _tell(change: UserChange) -> None:
    if change.kind is not ChangeKind.CHANGED:
        log.info(f"user {change.kind}", user=change.user)
    for setting in change.settings:
        log.info("setting changed", user=change.user, setting=setting.key, old=setting.old, new=setting.new)
