"""Watches the users' settings while a service runs, in files or in Redis (`source.py`): what is added, changed and removed,
without a restart.

A file counts after two looks without a change, so that a half-written one, or one that an editor is about to replace, changes
nothing. A file that cannot be read leaves its user's settings as they were, and does not affect the changes of others; a change
of a group's file counts for each of its users. A user whose file is gone stays, for exits only, until the service finds that they
hold nothing. After a failed look the next one comes.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import structlog

from shared.config.errors import ConfigurationError
from shared.config.users.changes import ChangeKind, UserChange, changes
from shared.config.users.groups import GROUPS, is_groups_file
from shared.config.users.loader import (
    SUFFIX,
    USERS,
    FileProblem,
    Users,
    collect_users,
    complete_users,
    find_key_clashes,
    policy_after_removal,
    substitute_policy,
)
from shared.config.users.source import FileSource, Stamp, UserSource, name_of, stamps_of
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import FileState, UserPolicy

_EVERY, _AT_LATEST = 1.0, 10.0
"""Seconds between two looks. A change takes effect after two of them, of which the second comes soon."""
_SHARE: Final = 0.001
"""The share of a core for looking: with a thousand files a look takes milliseconds, and comes every few seconds."""
_Stamp = Stamp | None
"""None if there is no such file."""
_IN_GROUPS: Final = f"{GROUPS}/"
"""Prefix of a group's file among the names of files: a user's file has no slash in its name."""

log = structlog.get_logger()


class UsersWatch:
    """The present users, and what changed since the last look. Problems of files are in `faults`."""

    def __init__(self, config: Path, faults: Faults | None = None, source: UserSource | None = None) -> None:
        """Read all settings once. `source` is where those of users are; by default the folder's files.

        Raises ConfigurationError if they cannot be listed.
        """
        self._config = config
        self._source = source or FileSource(config)
        self._faults = faults or Faults()
        self._fresh: dict[str, _Stamp] = {}
        self._problems: dict[str, FileProblem] = {}
        """By the name of the file."""
        self._folder_fails = ""
        self._reported: dict[str, str] = {}
        self._users: dict[str, UserPolicy] = {}
        self._gone: dict[str, UserPolicy] = {}
        """Replaced and never mutated, like `_users`: looks run in a thread."""
        self._holding: frozenset[str] = frozenset()
        self._stamps = self._look()
        names = sorted(name for name in self._stamps if not name.startswith(_IN_GROUPS))
        self._take(collect_users(config, map(self._source.read, names), self._source.problem))

    @property
    def users(self) -> Mapping[str, UserPolicy]:
        """Return every user with a file, disabled ones included, by id in alphabetical order."""
        return self._users

    @property
    def gone(self) -> Mapping[str, UserPolicy]:
        """Return the users without a file who may hold something: for exits only."""
        return self._gone

    @property
    def everybody(self) -> Mapping[str, UserPolicy]:
        """Return the users with a file and those whose file is gone, by id in alphabetical order."""
        return dict(sorted({**self._gone, **self._users}.items()))

    def restore(self, last: Mapping[str, UserPolicy], holders: Collection[str]) -> None:
        """Complete the users by records from before this process (see `complete_users`): once, before the users are used."""
        read = Users(self._users, tuple(self._problems.values()))
        self._take(complete_users(read, last, holders, self._source.problem))
        self._holding = frozenset(self._gone)
        self._report()

    def settle_gone(self, holding: Collection[str]) -> bool:
        """Remove users without a file who hold nothing, and report the others; return True if any was removed."""
        left = {user: policy for user, policy in self._gone.items() if user in holding}
        changed = len(left) < len(self._gone)
        self._gone, self._holding = left, frozenset(left)
        self._report()
        return changed

    async def run(self, apply: Callable[[Mapping[str, UserPolicy]], None]) -> None:
        """Keep looking; `apply` gets all users whenever something has changed."""
        pause = _EVERY
        self._report()
        while True:
            await asyncio.sleep(pause)
            before = self._users, self._gone
            if not await self._refreshed():
                continue
            found, problems, took = await asyncio.to_thread(self._timed_look)
            pause = _EVERY if self._fresh else min(max(_EVERY, took / _SHARE), _AT_LATEST)
            for problem in problems:
                log.error("settings not taken over; the user's former ones stay in force", reason=problem)
            for change in found:
                _log_change(change)
            self._report()
            if before != (self._users, self._gone):
                apply(self.everybody)

    async def _refreshed(self) -> bool:
        try:
            await self._source.refresh()
        except ConfigurationError as error:
            self._folder_fails = str(error)
            self._report()
            return False
        return True

    def _timed_look(self) -> tuple[list[UserChange], list[str], float]:
        began = time.thread_time()
        found, problems = self.look()
        return found, problems, time.thread_time() - began

    def look(self) -> tuple[list[UserChange], list[str]]:
        """Look once; return what changed, and one line for each file that could not be used."""
        try:
            now = self._look()
        except ConfigurationError as error:
            # A missing folder is being replaced, not emptied; one that cannot be read is tried again.
            self._folder_fails = str(error)
            return [], []
        self._folder_fails = ""
        if now == self._stamps and not self._fresh:
            return [], []
        settled = [name for name in sorted(self._stamps.keys() | now.keys()) if self._settled(name, now.get(name))]
        before = self._users
        users, errors = dict(before), []
        for name in self._with_members(settled, users):
            if name.startswith(_IN_GROUPS):
                self._note_group(name, now.get(name))
            elif now.get(name) is None:
                self._remove(name, users)
            elif (problem := self._read(name, now[name], users)) is not None:
                errors.append(str(problem))
        self._users = dict(sorted(users.items()))
        return changes(before, self._users), errors

    def _with_members(self, settled: list[str], users: Mapping[str, UserPolicy]) -> list[str]:
        """Return files to be read, and with each file of a group those of its users."""
        groups = {name.removeprefix(_IN_GROUPS).removesuffix(SUFFIX) for name in settled if name.startswith(_IN_GROUPS)}
        if not groups:
            return settled
        members = {name_of(user) for user, policy in users.items() if policy.group in groups}
        members |= {name for name, problem in self._problems.items() if problem.group in groups}
        return [*settled, *sorted(members.difference(settled).intersection(self._stamps))]

    def _note_group(self, name: str, stamp: _Stamp) -> None:
        if stamp is None:
            self._stamps.pop(name, None)
        else:
            self._stamps[name] = stamp

    def _settled(self, name: str, stamp: _Stamp) -> bool:
        """Return whether a file differs from the settings in use, and was the same in two looks."""
        if name in self._stamps and self._stamps[name] == stamp:
            self._fresh.pop(name, None)
            return False
        if name in self._fresh and self._fresh[name] == stamp:
            self._fresh.pop(name)
            return True
        self._fresh[name] = stamp
        return False

    def _read(self, name: str, stamp: _Stamp, users: dict[str, UserPolicy]) -> FileProblem | None:
        """Apply a file; return its problem, if that is new."""
        user = name.removesuffix(SUFFIX)
        self._stamps[name] = stamp
        found = self._source.read(name)
        in_force = user in users and users[user].file is FileState.GOOD
        if not isinstance(found, FileProblem) and not in_force:
            clashes = find_key_clashes(self._source.problem, {*users, user})
            found = next((each for each in clashes if each.user == user), found)
        if not isinstance(found, FileProblem):
            self._problems.pop(name, None)
            self._gone = {other: policy for other, policy in self._gone.items() if other != user}
            users[user] = found
            return None
        if found.passing:
            del self._stamps[name]  # it may end without a change of the file
        if found.user and not in_force:
            users[user] = substitute_policy(found, users.get(user) or self._gone.get(user))
            self._gone = {other: policy for other, policy in self._gone.items() if other != user}
        before = self._problems.get(name)
        self._problems[name] = found
        return None if before == found else found

    def _remove(self, name: str, users: dict[str, UserPolicy]) -> None:
        self._stamps.pop(name, None)
        self._problems.pop(name, None)
        policy = users.pop(name.removesuffix(SUFFIX), None)
        if policy is not None and (left := policy_after_removal(policy, self._source.problem)) is not None:
            self._gone = {**self._gone, policy.user: left}
        for problem in self._problems.values():
            if problem.state is FileState.SHARED:  # perhaps its key variable is no longer shared
                self._stamps.pop(problem.path.name, None)

    def _take(self, read: Users) -> None:
        self._gone = {user: policy for user, policy in read.items() if policy.file is FileState.GONE}
        self._users = {user: policy for user, policy in read.items() if user not in self._gone}
        for problem in read.problems:
            if problem.state is not FileState.GONE:
                self._problems[problem.path.name] = problem
            if problem.passing:
                self._stamps.pop(problem.path.name, None)

    def _report(self) -> None:
        """Update the register of faults to the present problems; new ones are logged once."""
        now = {problem.user or name: self._words(problem) for name, problem in self._problems.items()}
        now |= {user: policy.fault for user, policy in self._gone.items() if user in self._holding}
        now |= {USERS: self._folder_fails} if self._folder_fails else {}
        for subject, reason in now.items():
            if self._reported.get(subject) != reason:
                self._faults.report(FaultKind.USER_FILE, subject, reason)
                log.warning("a user's settings cannot be read from a file", user=subject, reason=reason)
        for subject in self._reported.keys() - now.keys():
            self._faults.clear(FaultKind.USER_FILE, subject)
        self._reported = now

    def _words(self, problem: FileProblem) -> str:
        policy = self._users.get(problem.user or problem.path.name.removesuffix(SUFFIX))
        if policy is None:
            return str(problem)
        return policy.fault or f"{problem}; the former settings stay in force"

    def _look(self) -> dict[str, _Stamp]:
        """Return the stamp of each user's text and each group's file, by its name. Raises ConfigurationError."""
        return {**self._source.stamps(), **self._look_at_groups()}

    def _look_at_groups(self) -> dict[str, Stamp]:
        """Return the stamp of each group's file; none if the folder is missing or cannot be read, as the users' files show."""
        try:
            with os.scandir(self._config / GROUPS) as files:
                found = stamps_of(file for file in files if is_groups_file(file.name))
        except OSError:
            return {}
        return {f"{_IN_GROUPS}{name}": stamp for name, stamp in found.items()}


def _log_change(change: UserChange) -> None:
    if change.kind is not ChangeKind.CHANGED:
        log.info(f"user {change.kind}", user=change.user)
    for setting in change.settings:
        log.info("setting changed", user=change.user, setting=setting.key, old=setting.old, new=setting.new)
