"""Writes a sealed key file in one step: the former one stays whole until the new one is on the disk.

Only what is encrypted is ever written here. A new file is its owner's alone (0600); one that replaces another keeps that one's
owner and group, so that a service that could read it still can, and is never readable for all.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.keys.secrets_folder import SecretsFolder, Stamp, stamp_of
from shared.runtime.durable_folder import sync_folder

_FILE: Final = 0o600
_WIDEST: Final = 0o640


def write_sealed(
    folder: SecretsFolder, venue: str, owner: str, content: bytes, *, over: Stamp | None, like: Path | None = None
) -> None:
    """Write the sealed file of an account in place of the one with the stamp `over` (None: there must be none).

    `like` is the file whose owner, group and mode it takes. Raises ConfigurationError, and the former file stays as it was then.
    """
    path = folder.sealed_path(venue, owner)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        _remove_left_over(path)
        if path.parent.is_symlink():
            raise ConfigurationError(f"{path.parent} is a symbolic link, which is not followed")
        _write(new, content, like)
        if stamp_of(path) != over:
            raise ConfigurationError(f"{path} was changed by somebody else in the meantime: run this again")
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or path} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def _write(path: Path, content: bytes, like: Path | None) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE)
    with os.fdopen(number, "wb") as file:
        if like is not None:
            facts, own = like.lstat(), os.fstat(number)
            if (facts.st_uid, facts.st_gid) != (own.st_uid, own.st_gid):
                os.fchown(number, facts.st_uid, facts.st_gid)
            os.fchmod(number, (stat.S_IMODE(facts.st_mode) | _FILE) & _WIDEST)
        file.write(content)
        file.flush()
        os.fsync(number)


def _remove_left_over(path: Path) -> None:
    """Remove what a run that was killed left: encrypted, and of no use."""
    for old in path.parent.glob(f".{path.name}.*.new"):
        with suppress(OSError):
            old.unlink()
