"""Checks the permissions of files that hold keys.

Refused in live mode, logged as a warning once in paper mode: a file that all users can read or change, that its group can change,
or that its group can read although the process owns it. A file that is group-readable and owned by another user passes: service
accounts get their keys like that. Files below `/run/secrets` pass too: Docker, Podman and Kubernetes make them readable by all
(0444), and the container has no other users; their permissions on the host cannot be seen, or set, from inside.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import structlog

from shared.config.errors import ConfigurationError
from shared.config.settings import Mode

_MOUNTED: Final = Path("/run/secrets")
_ENV_FILE: Final = ".env"

log = structlog.get_logger()

_warned: set[str] = set()


def refuse_open_file(path: Path, mode: Mode, subject: str) -> None:
    """Raise ConfigurationError in live mode if others can read or change a file with keys; in paper mode log it, once per file.

    `subject` begins the sentence. A file whose permissions cannot be read is not judged here: reading it will fail.
    """
    try:
        facts = path.stat()
    except OSError:
        return
    if not _is_mounted(path) and (whom := _open_to(facts)):
        _refuse(f"{subject} is open to {whom} (mode {stat.S_IMODE(facts.st_mode):04o}): chmod 600 {path}", mode)


def refuse_open_secret(facts: os.stat_result, path: Path, mode: Mode) -> None:
    """Check a file of the secrets folder, of which these facts were read while it was open, as `refuse_open_file` does."""
    if not _is_mounted(path) and (whom := _open_to(facts)):
        _refuse(f"{path} is open to {whom} (mode {stat.S_IMODE(facts.st_mode):04o}): chmod 600 {path}", mode)


def refuse_open_folder(path: Path, mode: Mode) -> None:
    """Check a folder of the secrets folder: where all users may write, each of them can replace a key. Sticky or not."""
    try:
        facts = path.stat()
    except OSError:
        return
    if facts.st_mode & stat.S_IWOTH and not _is_mounted(path):
        _refuse(
            f"{path} holds keys and all users of this machine can write there "
            f"(mode {stat.S_IMODE(facts.st_mode):04o}): chmod 700 {path}",
            mode,
        )


def _is_mounted(path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(_MOUNTED)
    except OSError:
        return False


def _refuse(text: str, mode: Mode) -> None:
    if mode is Mode.LIVE:
        raise ConfigurationError(text)
    if text not in _warned:
        _warned.add(text)
        log.warning("a file with keys is open to others", reason=text)


def refuse_open_env_file(mode: Mode, folder: Path) -> None:
    """Check the folder's `.env`, which usually holds keys, as `refuse_open_file` does."""
    if (path := folder / _ENV_FILE).is_file():
        refuse_open_file(path, mode, f"{path}, which may hold keys,")


def _open_to(facts: os.stat_result) -> str:
    """Return who can read or change a file but should not; an empty string if there is no such user."""
    if facts.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return "all users of this machine"
    owned = facts.st_uid == os.geteuid()
    if facts.st_mode & stat.S_IWGRP or (owned and facts.st_mode & stat.S_IRGRP):
        return "its group"
    return ""
