"""Writes, moves and removes the key files of users in the folder of secrets.

A secret is written before its key, each in one step, readable for its owner alone. No key is ever printed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.secrets import ApiKey
from shared.config.secrets_folder import VARIABLE, Part, SecretsFolder
from shared.config.settings import Settings
from shared.domain.values.venue import VENUES

_FILE: Final = 0o600
_FOLDER: Final = 0o700


def secrets_of(settings: Settings) -> SecretsFolder | None:
    """Return the folder of secrets; None if the settings name none."""
    return SecretsFolder.of({VARIABLE: settings.shoal_secrets})


def require_secrets(settings: Settings) -> SecretsFolder:
    """Return the folder of secrets. Raises ConfigurationError if the settings name none."""
    if (folder := secrets_of(settings)) is None:
        raise ConfigurationError(
            f"{VARIABLE} is not set: it names the folder for the new key, which the executors must have too "
            "(a running demo has one of its own, compose one in a volume)"
        )
    return folder


def write_key(folder: SecretsFolder, venue: str, user: str, key: ApiKey) -> None:
    """Write the two files of an account. Raises ConfigurationError if they cannot be written."""
    try:
        folder.root.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        home = folder.path(venue, user, Part.KEY).parent
        for each in (home.parent, home):
            if each.is_symlink():
                raise ConfigurationError(f"{each} is a symbolic link, which is not followed")
            each.mkdir(mode=_FOLDER, exist_ok=True)
        for part, text in ((Part.SECRET, key.secret), (Part.KEY, key.key)):
            _write(home, part, text)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or folder.root} cannot be written: {error.strerror}") from None


def remove_key(folder: SecretsFolder, venue: str, user: str) -> bool:
    """Remove the two files of an account and their folder; return whether there were any. Raises ConfigurationError."""
    if not folder.holds(venue, user):
        return False
    try:
        for part in (Part.KEY, Part.SECRET):
            folder.path(venue, user, part).unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it, which is not ours
            folder.path(venue, user, Part.KEY).parent.rmdir()
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be removed: {error.strerror}") from None
    return True


def move_keys(folder: SecretsFolder, old: str, new: str) -> list[str]:
    """Move a user's files to another name; return the venues. A second call moves what is left. Raises ConfigurationError."""
    moved = []
    for venue in VENUES:
        source, target = (folder.path(venue, name, Part.KEY).parent for name in (old, new))
        if source.is_dir() and not source.is_symlink() and folder.holds(venue, old):
            try:
                source.rename(target)
            except OSError as error:
                raise ConfigurationError(f"{source} cannot be renamed to {target}: {error.strerror}") from None
            moved.append(str(venue))
    return moved


def _write(home: Path, part: Part, text: str) -> None:
    new = home / f".{part}.new"
    new.unlink(missing_ok=True)
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    new.replace(home / part)
