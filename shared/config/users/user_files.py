"""Reads the users' files again and again, but parses only those that have changed: parsing 5,000 takes half a second."""

from __future__ import annotations

from pathlib import Path
from typing import Final

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
        self._read: dict[Path, tuple[Stamp, UserPolicy | FileProblem]] = {}

    def load(self) -> Users:
        """Return all users, as `load_users` does. Raises ConfigurationError if the folder cannot be read."""
        before, self._read = self._read, {}
        return load_users(self._config, lambda path: self._one(path, before.get(path)))

    def _one(self, path: Path, known: tuple[Stamp, UserPolicy | FileProblem] | None) -> UserPolicy | FileProblem:
        stamp = _stamp(path)  # before the file is read: what is written meanwhile is seen by the next reading
        if known is None or known[0] != stamp or stamp == _NO_STAMP or _may_pass(known[1]):
            known = stamp, read_user(path)
        self._read[path] = known
        return known[1]


def _may_pass(found: UserPolicy | FileProblem) -> bool:
    return isinstance(found, FileProblem) and found.passing


def _stamp(path: Path) -> Stamp:
    try:
        facts = path.stat()
    except OSError:
        return _NO_STAMP
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
