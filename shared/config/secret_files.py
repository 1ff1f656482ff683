"""Who else can read a file that holds keys.

Refused in live mode, warned of once in paper mode: a file that anybody can read or change, that its group can change, or that its
group can read although the process owns it. Group-readable and owned by somebody else is how a service account is handed a key,
so that passes. What is mounted below `/run/secrets` passes too: Docker, Podman and Kubernetes make such files readable by all
(0444), and nobody else is in the container; their rights on the host cannot be seen, or set, from inside.
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
    """Raise ConfigurationError in live mode if others can get at a file with keys; in paper mode warn, once for each file.

    `subject` begins the sentence. A file that cannot be looked at is left to whoever reads it.
    """
    try:
        facts = path.stat()
        mounted = path.resolve().is_relative_to(_MOUNTED)
    except OSError:
        return
    if mounted or not (whom := _open_to(facts)):
        return
    text = f"{subject} is open to {whom} (mode {stat.S_IMODE(facts.st_mode):04o}): chmod 600 {path}"
    if mode is Mode.LIVE:
        raise ConfigurationError(text)
    if text not in _warned:
        _warned.add(text)
        log.warning("a file with keys is open to others", reason=text)


def refuse_open_env_file(mode: Mode, folder: Path) -> None:
    """Raise ConfigurationError in live mode if others can get at the folder's `.env`, where keys usually stand; else as above."""
    if (path := folder / _ENV_FILE).is_file():
        refuse_open_file(path, mode, f"{path}, which may hold keys,")


def _open_to(facts: os.stat_result) -> str:
    """Return to whom a file is open that it should not be; an empty string if to nobody."""
    if facts.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return "everybody on this machine"
    owned = facts.st_uid == os.geteuid()
    if facts.st_mode & stat.S_IWGRP or (owned and facts.st_mode & stat.S_IRGRP):
        return "its group"
    return ""
