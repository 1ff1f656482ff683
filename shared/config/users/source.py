"""Where the settings of users are kept: files in the configuration folder, or Redis. One port, so that no other code asks which.

A source lists the texts that there are, each with a stamp that differs once the text does, and reads one of them. Names are those
of files (`alice.toml`), also where there are none. A source must never let one user's unusable settings affect another's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from shared.config.errors import ConfigurationError
from shared.config.users.loader import (
    SUFFIX,
    FileProblem,
    is_users_file,
    problems_of,
    read_user,
    users_folder,
)
from shared.domain.limits.policy import FileState, UserPolicy

Stamp = tuple[int, int, int]
"""Of a file: change time, size and inode. Of a record: what stands for its text and its version."""
NO_STAMP: Final = (0, 0, 0)
"""The stamp of what is listed but whose facts cannot be read: it is read each time."""


class UserSource(Protocol):
    """The settings of all users."""

    async def refresh(self) -> None:
        """Get what has changed since the last time, if that takes more than looking. Raises ConfigurationError if it fails."""

    def names(self) -> list[str]:
        """Return the name (`alice.toml`) of every user's text. Raises ConfigurationError if they cannot be listed."""

    def stamps(self) -> dict[str, Stamp]:
        """Return the stamp of each user's text, by name. Raises ConfigurationError if they cannot be listed."""

    def read(self, name: str) -> UserPolicy | FileProblem:
        """Read one user's settings; never raises for what is wrong with them."""

    def problem(self, user: str, why: str, state: FileState) -> FileProblem:
        """Return a problem of a user's settings, with the place where they are kept."""


class FileSource:
    """The files `users/*.toml` of a configuration folder."""

    def __init__(self, config: Path) -> None:
        self._config = config

    async def refresh(self) -> None:
        """Do nothing: looking at the files shows what has changed."""

    def names(self) -> list[str]:
        """Return the name of each file. Raises ConfigurationError if the folder cannot be read."""
        with self._listed() as files:
            return sorted(file.name for file in files)

    def stamps(self) -> dict[str, Stamp]:
        """Return the stamp of each file. Raises ConfigurationError if the folder cannot be read."""
        with self._listed() as files:
            return stamps_of(files)

    @contextmanager
    def _listed(self) -> Iterator[Iterable[os.DirEntry[str]]]:
        folder = users_folder(self._config)
        try:
            with os.scandir(folder) as files:
                yield (file for file in files if is_users_file(file.name))
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from None

    def read(self, name: str) -> UserPolicy | FileProblem:
        """Read one file."""
        return read_user(users_folder(self._config) / name)

    def problem(self, user: str, why: str, state: FileState) -> FileProblem:
        """Return a problem of a user's file."""
        return problems_of(users_folder(self._config))(user, why, state)


def stamps_of(files: Iterable[os.DirEntry[str]]) -> dict[str, Stamp]:
    """Return the stamps of files, by name."""
    return {file.name: _stamp(file) for file in files}


def name_of(user: str) -> str:
    """Return the name under which a source lists a user."""
    return f"{user}{SUFFIX}"


def _stamp(file: os.DirEntry[str]) -> Stamp:
    try:
        facts = file.stat()
    except OSError:  # such as a broken link, or a file system that does not answer: reading the file shows which
        return NO_STAMP
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
