"""Reads the users' files again and again, but parses only those that have changed: parsing 5,000 takes half a second."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared.config.users.groups import group_file
from shared.config.users.loader import FileProblem, Users, load_users, read_user
from shared.domain.limits.policy import UserPolicy

Stamp = tuple[int, int, int]
"""Change time, size and inode of a file."""
_NO_STAMP: Final = (0, 0, 0)
"""The stamp of a file whose facts cannot be read: it is read each time."""


class UserFiles:
    """The files of one configuration folder. A user whose file has not changed keeps the same settings object."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._read: dict[Path, tuple[Stamp, Stamp, UserPolicy | FileProblem]] = {}
        self._groups: dict[str, Stamp] = {}
        """The stamps of the groups' files, read at most once in each reading."""

    def load(self) -> Users:
        """Return all users, as `load_users` does. Raises ConfigurationError if the folder cannot be read."""
        before, self._read, self._groups = self._read, {}, {}
        return load_users(self._config, lambda path: self._one(path, before.get(path)))

    def _one(self, path: Path, known: tuple[Stamp, Stamp, UserPolicy | FileProblem] | None) -> UserPolicy | FileProblem:
        stamp = _stamp(path)  # before the file is read: what is written meanwhile is seen by the next reading
        if known is None or known[0] != stamp or stamp == _NO_STAMP or _may_pass(known[2]) or self._moved(known):
            known = stamp, *self._fresh(path)
        self._read[path] = known
        return known[2]

    def _fresh(self, path: Path) -> tuple[Stamp, UserPolicy | FileProblem]:
        found = read_user(path)
        if found.group and found.group not in self._groups:
            self._of_group(found.group)
            found = read_user(path)  # a group's file, too, is read after its stamp
        return self._of_group(found.group), found

    def _moved(self, known: tuple[Stamp, Stamp, UserPolicy | FileProblem]) -> bool:
        """Return whether the file of the user's group has changed."""
        return bool(known[2].group) and known[1] != self._of_group(known[2].group)

    def _of_group(self, group: str) -> Stamp:
        if not group:
            return _NO_STAMP
        if group not in self._groups:
            self._groups[group] = _stamp(group_file(self._config, group))
        return self._groups[group]


def _may_pass(found: UserPolicy | FileProblem) -> bool:
    return isinstance(found, FileProblem) and found.passing


def _stamp(path: Path) -> Stamp:
    try:
        facts = path.stat()
    except OSError:
        return _NO_STAMP
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
