"""Reads the users' settings again and again, but parses only those that have changed: parsing 5,000 takes half a second."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from shared.config.users.groups import group_file
from shared.config.users.loader import SUFFIX, FileProblem, Users, collect_users
from shared.config.users.source import NO_STAMP, FileSource, Stamp, UserSource
from shared.domain.limits.policy import UserPolicy


class UserFiles:
    """The users of one configuration. A user whose text has not changed keeps the same settings object."""

    def __init__(self, config: Path, source: UserSource | None = None) -> None:
        """`source` is where the settings of users are; by default the files of the folder."""
        self._config = config
        self.source = source or FileSource(config)
        self._read: dict[str, tuple[Stamp, Stamp, UserPolicy | FileProblem]] = {}
        self._groups: dict[str, Stamp] = {}
        """The stamps of the groups' files, read at most once in each reading."""

    def load(self, only: Collection[str] | None = None) -> Users:
        """Return all users, as `load_users` does, or `only` some, who are read each time.

        Raises ConfigurationError if they cannot be listed.
        """
        if only is not None:
            names = self.source.names()
            found = [self.source.read(name) for name in names if name.removesuffix(SUFFIX) in only]
            return collect_users(
                self._config, found, self.source.problem, [name.removesuffix(SUFFIX) for name in names]
            )
        stamps = self.source.stamps()  # before any text is read: what is written meanwhile is seen by the next reading
        before, self._read, self._groups = self._read, {}, {}
        found = [self._one(name, stamp, before.get(name)) for name, stamp in sorted(stamps.items())]
        return collect_users(self._config, found, self.source.problem)

    def _one(
        self, name: str, stamp: Stamp, known: tuple[Stamp, Stamp, UserPolicy | FileProblem] | None
    ) -> UserPolicy | FileProblem:
        if known is None or known[0] != stamp or stamp == NO_STAMP or _may_pass(known[2]) or self._moved(known):
            known = stamp, *self._fresh(name)
        self._read[name] = known
        return known[2]

    def _fresh(self, name: str) -> tuple[Stamp, UserPolicy | FileProblem]:
        found = self.source.read(name)
        if found.group and found.group not in self._groups:
            self._of_group(found.group)
            found = self.source.read(name)  # a group's file, too, is read after its stamp
        return self._of_group(found.group), found

    def _moved(self, known: tuple[Stamp, Stamp, UserPolicy | FileProblem]) -> bool:
        """Return whether the file of the user's group has changed."""
        return bool(known[2].group) and known[1] != self._of_group(known[2].group)

    def _of_group(self, group: str) -> Stamp:
        if not group:
            return NO_STAMP
        if group not in self._groups:
            self._groups[group] = _stamp(group_file(self._config, group))
        return self._groups[group]


def _may_pass(found: UserPolicy | FileProblem) -> bool:
    return isinstance(found, FileProblem) and found.passing


def _stamp(path: Path) -> Stamp:
    try:
        facts = path.stat()
    except OSError:
        return NO_STAMP
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
