"""Sealed key files: a key and its secret in one file, encrypted for a recipient (age, X25519), opened by an identity file.

The identity file (`SHOAL_IDENTITY_FILE`) holds one identity a line, with comments as `age-keygen` writes them; several are tried
one after another, so that a new one can be added before files are sealed for it. It is read when needed, like the sealed files.
What is opened is never written anywhere, and no error holds a part of it, nor of an identity. Only this module imports pyrage.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyrage

from shared.config.errors import ConfigurationError
from shared.config.keys.secret_files import refuse_open_file
from shared.config.settings import Mode
from shared.runtime.logging import hide

IDENTITY_VARIABLE: Final = "SHOAL_IDENTITY_FILE"
_MOST_BYTES: Final = 64 * 1024
_PREFIX: Final = "AGE-SECRET-KEY-1"
_FIELDS: Final = ("key", "secret")


@dataclass(frozen=True, slots=True)
class Identities:
    """The identities of a file, which open what is sealed for one of them. The representation shows none."""

    place: str
    """What a person calls the file."""
    _keys: Sequence[Any] = field(repr=False)

    @property
    def recipients(self) -> list[str]:
        """Return what these identities open is sealed for; not a secret."""
        return [str(each.to_public()) for each in self._keys]

    def open(self, content: bytes, path: str) -> tuple[str, str]:
        """Return key and secret of a sealed file. Raises ConfigurationError naming the file, without any part of its content."""
        try:
            found = json.loads(pyrage.decrypt(content, list(self._keys)))
        except pyrage.DecryptError:
            raise ConfigurationError(
                f"{path} cannot be opened with the identity in {self.place}: it is sealed for another one, or damaged"
            ) from None
        except (ValueError, RecursionError):
            found = None
        texts = [found.get(name) for name in _FIELDS] if isinstance(found, dict) else []
        pair = [each.strip() for each in texts if isinstance(each, str) and each.strip()]
        if len(pair) != len(_FIELDS):
            raise ConfigurationError(f"{path} holds something else than a key and its secret")
        key, secret = pair
        hide(key, secret)
        return key, secret


def read_identities(given: str, mode: Mode, variable: str = IDENTITY_VARIABLE) -> Identities:
    """Read the identities of a file that a variable or an option names. Raises ConfigurationError."""
    path, place = Path(given), f"{variable} names {given}, which"
    refuse_open_file(path, mode, place)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{place} is too large for identities")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text"
        raise ConfigurationError(f"{place} cannot be read: {why}") from None
    found = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        hide(line)
        try:
            found.append(pyrage.x25519.Identity.from_str(line))
        except pyrage.IdentityError:
            raise ConfigurationError(f"{place} has no identity of age in line {number} ({_PREFIX}...)") from None
    if not found:
        raise ConfigurationError(f"{place} has no identity ({_PREFIX}...)")
    return Identities(given, found)


def new_identity() -> tuple[str, str]:
    """Return a new identity and its recipient."""
    made = pyrage.x25519.Identity.generate()
    hide(str(made))
    return str(made), str(made.to_public())


def seal(key: str, secret: str, recipients: Sequence[str]) -> bytes:
    """Return the content of a sealed file. Raises ConfigurationError for what is not a recipient."""
    try:
        keys = [pyrage.x25519.Recipient.from_str(each) for each in recipients]
    except pyrage.RecipientError:
        raise ConfigurationError("a recipient of age begins with age1: `ops seal identity` prints one") from None
    return bytes(pyrage.encrypt(json.dumps(dict(zip(_FIELDS, (key, secret), strict=True))).encode(), keys))
