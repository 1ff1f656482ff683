"""Writes users' files: in one step, with the former text beside it as a backup, of which the newest are kept.

The services read the folder all the time: a half-written file must never be seen, and a backup must never be taken for a user.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.bus.users.user_settings import Author, SettingsKind, SettingsVersion
from shared.config.errors import ConfigurationError
from shared.config.users.folder_lock import only_writer
from shared.config.users.loader import SUFFIX, USERS, is_users_file, users_folder, why_no_user_id
from shared.config.users.source import name_of
from shared.operations.errors import ActionRefused, UnknownTarget
from shared.runtime.durable_folder import sync_folder

BACKUPS: Final = 10
_BACKUP: Final = ".bak"
_STAMP: Final = "%Y%m%dT%H%M%S%f"
PRESENT: Final = "present"
"""The version of a file itself, among its backups."""


def backups_of(path: Path) -> list[Path]:
    """Return the backups of a user's file, oldest first: `alice.toml.20261127T072501123456.bak`."""
    return sorted(each for each in path.parent.glob(f"{path.name}.*{_BACKUP}") if each.is_file())


class FileStore:
    """The files `users/*.toml` of a configuration folder: one port with records in Redis (`user_store.py`)."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._alone = False

    def place(self, user: str) -> str:
        """Return the path of a user's file."""
        return str(path_of(self._config / USERS, user))

    def require_writable(self) -> None:
        """Raise ActionRefused if the folder is read-only here."""
        if not os.access(folder := self._folder(), os.W_OK):
            raise ActionRefused(f"{folder} cannot be written here: run this where it can be")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of the folder. Raises ActionRefused if another process keeps it."""
        if self._alone:
            yield
            return
        try:
            with only_writer(self._config):
                self._alone = True
                yield
        except ConfigurationError as error:
            raise ActionRefused(str(error)) from None
        finally:
            self._alone = False

    async def names(self) -> list[str]:
        """Return the users with a file. Raises ActionRefused if there is no folder."""
        folder = self._folder()
        try:
            names = [path.name.removesuffix(SUFFIX) for path in folder.iterdir() if is_users_file(path.name)]
        except OSError as error:
            raise ActionRefused(f"{folder} cannot be read: {error.strerror}") from None
        return sorted(name for name in names if not why_no_user_id(name))

    async def read(self, user: str) -> SettingsVersion | None:
        """Return the present text of a user's file; None if there is no file. Raises ActionRefused if it cannot be read."""
        return await asyncio.to_thread(self._read, user)

    def _read(self, user: str) -> SettingsVersion | None:
        if why_no_user_id(user):
            raise UnknownTarget(f"there is no user {user[:40]!r}")
        path = path_of(self._folder(), user)
        try:
            text = path.read_bytes().decode("utf-8")
            return SettingsVersion(user, PRESENT, text, at=int(path.stat().st_mtime * 1000))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            raise ActionRefused(f"{path.name} cannot be read: correct it in an editor first") from None

    async def write(
        self,
        user: str,
        text: str,
        author: Author,
        *,
        over: SettingsVersion | None,
        kind: SettingsKind = SettingsKind.SET,
    ) -> str:
        """Write a text in place of that of `over`; return the name of the backup, in words.

        Raises ActionRefused if the file no longer says so, or if the folder cannot be written.
        """
        del kind
        if why := why_no_user_id(user):
            raise ActionRefused(why)
        return await asyncio.to_thread(self._write, user, text, author, over)

    def _write(self, user: str, text: str, author: Author, over: SettingsVersion | None) -> str:
        path = path_of(self._folder(), user)
        with self.alone():
            if over is None:
                return _create(path, text)
            return f"former text: {_replace(path, over.text, text, author.at).name}"

    async def remove(self, present: SettingsVersion, author: Author) -> None:
        """Remove a user's file; its backups stay. Raises ActionRefused if it cannot be removed."""
        del author
        await asyncio.to_thread(self._remove, present.user)

    def _remove(self, user: str) -> None:
        path = path_of(self._folder(), user)
        with self.alone():
            try:
                path.unlink(missing_ok=True)  # the same command at the same time
            except OSError as error:
                raise ActionRefused(f"{path} cannot be removed: {error.strerror}") from None

    async def history(self, user: str) -> Sequence[SettingsVersion]:
        """Return the present text and the backups, newest first. Raises ActionRefused for an unreadable file."""
        return await asyncio.to_thread(self._history, user)

    def _history(self, user: str) -> Sequence[SettingsVersion]:
        present = self._read(user)
        kept = [each for path in reversed(backups_of(path_of(self._folder(), user))) if (each := _backup(user, path))]
        return [*([present] if present else []), *kept]

    def _folder(self) -> Path:
        try:
            return users_folder(self._config)
        except ConfigurationError as error:
            raise ActionRefused(str(error)) from None


def _backup(user: str, path: Path) -> SettingsVersion | None:
    version = path.name.removeprefix(name_of(user)).strip(".").removesuffix(_BACKUP)
    try:
        at = datetime.strptime(version.partition("-")[0], _STAMP).replace(tzinfo=UTC)
        return SettingsVersion(user, version, path.read_bytes().decode("utf-8"), at=int(at.timestamp() * 1000))
    except (OSError, ValueError):
        return None


def _create(path: Path, text: str) -> str:
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        _write(new, text, 0o644)
        new.chmod(0o644)  # whatever the umask is: services of another system user read it
        os.link(new, path)  # fails if the file exists, unlike a rename
        sync_folder(path.parent)
    except FileExistsError:
        raise ActionRefused(f"{path} exists already") from None
    except OSError as error:
        raise ActionRefused(f"{path.parent} cannot be written here: {error.strerror or type(error).__name__}") from None
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    return ""


def _replace(path: Path, before: str, text: str, now: int) -> Path:
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime(_STAMP)
    backup = path.with_name(f"{path.name}.{stamp}-{secrets.token_hex(2)}{_BACKUP}")
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        if path.read_bytes() != before.encode():
            raise ActionRefused(f"{path.name} was changed by somebody else in the meantime: look at it again")
        mode = path.stat().st_mode & 0o777
        _write(backup, before, mode)
        _write(new, text, mode)
        new.replace(path)
        sync_folder(path.parent)
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
