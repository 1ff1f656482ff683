"""Writes, moves and removes the key files of users in the folder of secrets.

A secret is written before its key, each in one step, readable for its owner alone. No key is ever printed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.ops.sealing.sealed_writer import write_sealed
from shared.config.errors import ConfigurationError
from shared.config.keys.sealed_file import read_identities, seal
from shared.config.keys.secrets import ApiKey
from shared.config.keys.secrets_folder import VARIABLE, Part, SecretsFolder
from shared.config.settings import Settings
from shared.domain.values.venue import VENUES

_FILE: Final = 0o600
_FOLDER: Final = 0o700
_AWAY: Final = ".removed"
"""How the folder of an account is called while its files are removed: no user's id begins with a dot."""


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


def write_key(folder: SecretsFolder, venue: str, user: str, key: ApiKey, settings: Settings) -> str:
    """Write the key of an account, sealed where there is an identity to open it; return the path of the file.

    Raises ConfigurationError if it cannot be written.
    """
    if settings.shoal_identity_file:
        recipients = read_identities(settings.shoal_identity_file, settings.shoal_mode).recipients
        path = folder.sealed_path(venue, user)
        path.parent.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        write_sealed(folder, venue, user, seal(key.key, key.secret, recipients), over=None)
        return str(path)
    try:
        folder.root.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        home = folder.path(venue, user, Part.KEY).parent
        for each in (home.parent, home):
            if each.is_symlink():
                raise ConfigurationError(f"{each} is a symbolic link, which is not followed")
            each.mkdir(mode=_FOLDER, exist_ok=True)
        for part, text in ((Part.SECRET, key.secret), (Part.KEY, key.key)):
            _write(home, part, text)
        return str(folder.path(venue, user, Part.KEY))
    except OSError as error:
        raise ConfigurationError(f"{error.filename or folder.root} cannot be written: {error.strerror}") from None


def remove_key(folder: SecretsFolder, venue: str, user: str) -> bool:
    """Remove the files of an account, plain and sealed; return whether there were any. Raises ConfigurationError."""
    if not folder.holds(venue, user):
        return False
    try:
        folder.sealed_path(venue, user).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be removed: {error.strerror}") from None
    remove_plain_key(folder, venue, user)
    return True


def remove_plain_key(folder: SecretsFolder, venue: str, user: str) -> None:
    """Remove the two plain files of an account and their folder. Raises ConfigurationError.

    Both go in one step: one without the other would be a key that cannot be used, beside a sealed one that can.
    """
    home = folder.path(venue, user, Part.KEY).parent
    away = home.with_name(f".{user}{_AWAY}")
    try:
        if home.is_symlink():
            raise ConfigurationError(f"{home} is a symbolic link, which is not followed")
        _empty(away)
        if home.is_dir() and {path.name for path in home.iterdir()} <= set(Part):
            home.rename(away)
            _empty(away)
        else:
            _empty(home)  # something else is in it, which is not ours
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be removed: {error.strerror}") from None


def finish_removals(folder: SecretsFolder) -> None:
    """Remove what a command that was killed has moved away and not removed. Raises ConfigurationError."""
    try:
        for venue in VENUES:
            for away in (folder.root / venue).glob(f".*{_AWAY}"):
                if not away.is_symlink():
                    _empty(away)
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be removed: {error.strerror}") from None


def _empty(home: Path) -> None:
    for part in (Part.KEY, Part.SECRET):
        (home / part).unlink(missing_ok=True)
    with suppress(OSError):
        home.rmdir()


def move_keys(folder: SecretsFolder, old: str, new: str) -> list[str]:
    """Move a user's files to another name; return the venues. A second call moves what is left. Raises ConfigurationError."""
    moved = []
    for venue in VENUES:
        pairs = []
        if folder.holds_sealed(venue, old):
            pairs.append((folder.sealed_path(venue, old), folder.sealed_path(venue, new)))
        source, target = (folder.path(venue, name, Part.KEY).parent for name in (old, new))
        if source.is_dir() and not source.is_symlink() and folder.holds_plain(venue, old):
            pairs.append((source, target))
        for before, after in pairs:
            try:
                if os.path.lexists(after) and not after.is_dir():
                    raise ConfigurationError(f"{after} exists already: it is another key; remove one")
                before.rename(after)
            except OSError as error:
                raise ConfigurationError(f"{before} cannot be renamed to {after}: {error.strerror}") from None
        if pairs:
            moved.append(str(venue))
    return moved


def _write(home: Path, part: Part, text: str) -> None:
    new = home / f".{part}.new"
    new.unlink(missing_ok=True)
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    new.replace(home / part)
