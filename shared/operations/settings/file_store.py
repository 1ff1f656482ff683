"""Writes a user's file: in one step, with the former text beside it as a backup, of which the newest are kept.

The services read the folder all the time: a half-written file must never be seen, and a backup must never be taken for a user.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.users.folder_lock import only_writer
from shared.config.users.loader import SUFFIX
from shared.operations.errors import ActionRefused

BACKUPS: Final = 10
_BACKUP: Final = ".bak"


def backups_of(path: Path) -> list[Path]:
    """Return the backups of a user's file, oldest first: `alice.toml.20261127T072501123456.bak`."""
    return sorted(each for each in path.parent.glob(f"{path.name}.*{_BACKUP}") if each.is_file())


def replace_file(path: Path, before: str, text: str, now: int) -> Path:
    """Write the text in place of `before`, and return the backup; `now` in epoch ms.

    Raises ActionRefused if the file no longer says `before`, or if the folder cannot be written.
    """
    try:
        with only_writer(path.parent.parent):
            return _replace(path, before, text, now)
    except ConfigurationError as error:
        raise ActionRefused(str(error)) from None


def _replace(path: Path, before: str, text: str, now: int) -> Path:
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%S%f")
    backup = path.with_name(f"{path.name}.{stamp}-{secrets.token_hex(2)}{_BACKUP}")
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        if path.read_bytes() != before.encode():
            raise ActionRefused(f"{path.name} was changed by somebody else in the meantime: look at it again")
        mode = path.stat().st_mode & 0o777
        _write(backup, before, mode)
        _write(new, text, mode)
        new.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ActionRefused(f"{path.parent} cannot be written here: {error.strerror or type(error).__name__}") from None
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    for old in backups_of(path)[:-BACKUPS]:
        with suppress(OSError):
            old.unlink()
    return backup


def path_of(folder: Path, user: str) -> Path:
    """Return the file of a user."""
    return folder / f"{user}{SUFFIX}"


def _write(path: Path, text: str, mode: int) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
