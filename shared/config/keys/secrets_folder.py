"""The folder of secrets: `SHOAL_SECRETS` with `<venue>/<user>/key` and `secret`, or both sealed in `<venue>/<user>.age`.

With it a user is added, or a key replaced, while everything runs. Files are opened one step after another below the folder, and
no step follows a symbolic link: neither a user's name nor a link can lead out of it. No error may hold what a file contains.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.keys.secret_files import refuse_open_folder, refuse_open_secret
from shared.config.settings import Mode
from shared.domain.values.venue import VENUES

VARIABLE: Final = "SHOAL_SECRETS"
SEALED: Final = ".age"
_OWNER: Final = re.compile(r"(?:master\.)?[a-z0-9][a-z0-9_-]{0,31}")
"""A user id, `master`, or `master.<key>` for the key of a further account of a master."""
_MOST_BYTES: Final = 16 * 1024
"""The largest secret, a private key of several lines, has a few hundred bytes."""
_LINKS: Final = frozenset({errno.ELOOP, errno.EMLINK})

Stamp = tuple[int, int, int, int]
"""Change times of content and inode in ns, size, inode: it differs once a file was written, replaced or opened to others."""


class Part(StrEnum):
    """One of the two files of an account."""

    KEY = "key"
    SECRET = "secret"  # noqa: S105  # a file's name


@dataclass(frozen=True, slots=True)
class SecretsFolder:
    """The folder; it may be created after the process has started."""

    root: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> SecretsFolder | None:
        """Return the folder that an environment names; None if it names none."""
        given = environment.get(VARIABLE, "").strip()
        return cls(Path(given)) if given else None

    def path(self, venue: str, owner: str, part: Part) -> Path:
        """Return where a file of an account belongs. Raises ConfigurationError for what cannot be a user id."""
        if venue not in VENUES or not _OWNER.fullmatch(owner):
            raise ConfigurationError(
                f"{owner[:40]!r} at {venue[:40]!r} can have no key in {VARIABLE}: not a user id and a venue"
            )
        return self.root / venue / owner / part

    def sealed_path(self, venue: str, owner: str) -> Path:
        """Return where the sealed file of an account belongs. Raises ConfigurationError for what cannot be a user id."""
        home = self.path(venue, owner, Part.KEY).parent
        return home.with_name(f"{owner}{SEALED}")

    def holds(self, venue: str, owner: str) -> bool:
        """Return whether there is anything for an account, usable or not."""
        return self.holds_plain(venue, owner) or self.holds_sealed(venue, owner)

    def places(self, venue: str, owner: str) -> list[str]:
        """Return the paths of what there is for an account: its key file and its sealed file."""
        plain = [str(self.path(venue, owner, Part.KEY))] if self.holds_plain(venue, owner) else []
        return plain + ([str(self.sealed_path(venue, owner))] if self.holds_sealed(venue, owner) else [])

    def holds_plain(self, venue: str, owner: str) -> bool:
        """Return whether there is a plain file for an account."""
        return any(os.path.lexists(self.path(venue, owner, part)) for part in Part)

    def holds_sealed(self, venue: str, owner: str) -> bool:
        """Return whether there is a sealed file for an account."""
        return os.path.lexists(self.sealed_path(venue, owner))

    def read(self, venue: str, owner: str, part: Part, mode: Mode | None = None) -> str:
        """Return the content of a file, without white space around it; an empty string if there is no such file.

        Raises ConfigurationError for a symbolic link, for what is not a small regular text file and, if `mode` is given, as
        `refuse_open_secret` does for a file that others can read or change.
        """
        path = self.path(venue, owner, part)
        content = self._bytes(path, mode)
        if content is None:
            return ""
        try:
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise ConfigurationError(f"{path} is not a text") from None
        if not text:
            raise ConfigurationError(f"{path} is empty")
        return text

    def read_sealed(self, venue: str, owner: str, mode: Mode | None = None) -> bytes | None:
        """Return the content of a sealed file; None if there is none. Raises ConfigurationError as `read` does."""
        return self._bytes(self.sealed_path(venue, owner), mode)

    def _bytes(self, path: Path, mode: Mode | None) -> bytes | None:
        number = self._open(path)
        if number is None:
            return None
        try:
            facts = os.fstat(number)
            if not stat.S_ISREG(facts.st_mode):
                raise ConfigurationError(f"{path} is not a regular file")
            if mode is not None:
                refuse_open_secret(facts, path, mode)
            content = os.read(number, _MOST_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
        finally:
            os.close(number)
        if len(content) > _MOST_BYTES:
            raise ConfigurationError(
                f"{path} is too large for a {'sealed key' if path.suffix == SEALED else path.name}"
            )
        return content

    def check_folders(self, venue: str, owner: str, mode: Mode) -> None:
        """Raise ConfigurationError in live mode if everybody could replace an account's files; in paper mode warn once."""
        file = self.path(venue, owner, Part.KEY)
        for folder in (file.parent, file.parent.parent, self.root):
            refuse_open_folder(folder, mode)

    def stamp(self, venue: str, owner: str, part: Part) -> Stamp | None:
        """Return the stamp of a file; None if there is none, or its facts cannot be read."""
        return stamp_of(self.path(venue, owner, part))

    def owners(self) -> Iterator[tuple[str, str]]:
        """Iterate over the venue and the owner of every account that has a key file, in alphabetical order."""
        for venue in sorted(VENUES):
            with suppress(OSError):  # none yet, or none that can be read: reading an account's key says which
                names = {path.name.removesuffix(SEALED) for path in (self.root / venue).iterdir()}
                for owner in sorted(name for name in names if _OWNER.fullmatch(name)):
                    if os.path.lexists(self.path(venue, owner, Part.KEY)) or self.holds_sealed(venue, owner):
                        yield venue, owner

    def _open(self, path: Path) -> int | None:
        """Open a file below the folder, step by step; None if it does not exist. Raises ConfigurationError."""
        here: int | None = None
        try:
            here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for step in path.relative_to(self.root).parts[:-1]:
                below = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = below
            # Not blocking: opening a named pipe would wait for a writer for ever.
            return os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _LINKS or self._is_link(path):
                raise ConfigurationError(f"{path} is, or is behind, a symbolic link, which is not followed") from None
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
        finally:
            if here is not None:
                os.close(here)

    def _is_link(self, path: Path) -> bool:
        return any(each.is_symlink() for each in (path, path.parent, path.parent.parent))


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None if there is none, or its facts cannot be read."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino
