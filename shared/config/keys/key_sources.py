"""The places where a key can be: variables (each also as `..._FILE`), and the folder of secrets, as plain files or sealed.

A place is asked for its two parts by one account at a time. Errors name the variable or the file, never what it contains.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from shared.config.errors import ConfigurationError
from shared.config.keys.sealed_file import IDENTITY_VARIABLE, read_identities
from shared.config.keys.secret_files import refuse_open_file
from shared.config.keys.secrets_folder import Part, SecretsFolder, Stamp, stamp_of
from shared.config.settings import Mode
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.runtime.logging import hide

_SHORTEST_REAL: Final = 50
"""Kraken's keys have 56 characters and its secrets 88: such a text may begin with a placeholder's word by chance."""
_PLACEHOLDERS: Final = (
    "your",
    "changeme",
    "change_me",
    "change-me",
    "replace",
    "example",
    "placeholder",
    "todo",
    "xxx",
    "<",
    "...",
)


class KeySource(Protocol):
    """Where the key of one account is."""

    def name(self, part: Part) -> str:
        """Return what a person calls the place of a part."""

    def given(self, part: Part | None = None) -> bool:
        """Return whether there is anything for a part, or for either, usable or not."""

    def text(self, part: Part, mode: Mode | None = None) -> str:
        """Return what is there; an empty string if nothing is. With `mode`, a file's permissions are checked.

        Raises ConfigurationError for what cannot be read.
        """

    def pair(self, mode: Mode) -> tuple[str, str] | None:
        """Return key and secret where one file holds both, so that they are never of two versions; None elsewhere.

        Raises ConfigurationError.
        """

    def missing(self, part: Part) -> str:
        """Return a sentence that says what is missing."""

    def stamps(self) -> tuple[Stamp | None, ...]:
        """Return the stamps of the files that a key is read from: they differ when one of them was changed."""


@dataclass(frozen=True, slots=True)
class VariableSource:
    """The variables of an account at a venue."""

    venue: str
    owner: str

    def name(self, part: Part) -> str:
        """Return the name of the variable."""
        return f"{VENUE_FACTS[self.venue].key_stem(self.owner)}_{part.upper()}"

    def given(self, part: Part | None = None) -> bool:
        """Return whether a variable, or one that names a file, has a value."""
        return any(
            os.environ.get(variable, "").strip()
            for each in ([part] if part else Part)
            for variable in (self.name(each), f"{self.name(each)}_FILE")
        )

    def text(self, part: Part, mode: Mode | None = None) -> str:
        """Return the value, or the content of the file that `<name>_FILE` names."""
        return read_variable(self.name(part), mode)

    def pair(self, mode: Mode) -> None:
        """Return None: each part has a variable of its own."""

    def missing(self, part: Part) -> str:
        """Return a sentence that says what is missing."""
        name = self.name(part)
        return f"{name} {'is blank' if name in os.environ else 'is not set'} (nor is {name}_FILE)"

    def stamps(self) -> tuple[Stamp | None, ...]:
        """Return the stamps of the files that are named."""
        named = (os.environ.get(f"{self.name(part)}_FILE", "").strip() for part in Part)
        return tuple(stamp_of(Path(path).resolve()) if path else None for path in named)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The two files of an account in the folder of secrets."""

    folder: SecretsFolder
    venue: str
    owner: str

    def name(self, part: Part) -> str:
        """Return the path of the file."""
        return str(self.folder.path(self.venue, self.owner, part))

    def given(self, part: Part | None = None) -> bool:
        """Return whether a file exists."""
        if part is None:
            return self.folder.holds_plain(self.venue, self.owner)
        return self.folder.stamp(self.venue, self.owner, part) is not None

    def text(self, part: Part, mode: Mode | None = None) -> str:
        """Return the content of the file."""
        if mode is not None:
            self.folder.check_folders(self.venue, self.owner, mode)
        return self.folder.read(self.venue, self.owner, part, mode)

    def pair(self, mode: Mode) -> None:
        """Return None: each part has a file of its own."""

    def missing(self, part: Part) -> str:
        """Return a sentence that says what is missing."""
        return f"{self.name(part)} does not exist"

    def stamps(self) -> tuple[Stamp | None, ...]:
        """Return the stamps of the two files."""
        return tuple(self.folder.stamp(self.venue, self.owner, part) for part in Part)


@dataclass(frozen=True, slots=True)
class SealedSource:
    """The sealed file of an account in the folder of secrets; `identity` is the file that opens it, empty for none."""

    folder: SecretsFolder
    venue: str
    owner: str
    identity: str

    def name(self, part: Part) -> str:
        """Return the path of the file, which holds both parts."""
        del part
        return str(self.folder.sealed_path(self.venue, self.owner))

    def given(self, part: Part | None = None) -> bool:
        """Return whether the file exists."""
        del part
        return self.folder.holds_sealed(self.venue, self.owner)

    def text(self, part: Part, mode: Mode | None = None) -> str:
        """Return a part of what the file holds."""
        found = self.pair(mode or Mode.PAPER)
        return found[0 if part is Part.KEY else 1] if found else ""

    def pair(self, mode: Mode) -> tuple[str, str] | None:
        """Return key and secret; None if there is no file. Raises ConfigurationError if it cannot be opened."""
        self.folder.check_folders(self.venue, self.owner, mode)
        content = self.folder.read_sealed(self.venue, self.owner, mode)
        if content is None:
            return None
        if not self.identity:
            raise ConfigurationError(
                f"{self.name(Part.KEY)} is sealed, and {IDENTITY_VARIABLE} names nothing to open it"
            )
        return read_identities(self.identity, mode).open(content, self.name(Part.KEY))

    def missing(self, part: Part) -> str:
        """Return a sentence that says what is missing."""
        return f"{self.name(part)} does not exist"

    def stamps(self) -> tuple[Stamp | None, ...]:
        """Return one stamp, which differs once the file or its identity does: a key is not waited for if the other is old."""
        sealed = stamp_of(self.folder.sealed_path(self.venue, self.owner))
        opener = stamp_of(Path(self.identity).resolve()) if self.identity else None
        if sealed is None or opener is None:
            return (sealed,)
        return ((sealed[0], sealed[1] + opener[1], sealed[2] + opener[2], sealed[3] ^ opener[3]),)


def read_pair(source: KeySource, venue: str, mode: Mode) -> tuple[str, str]:
    """Read a key and its secret: from two texts, or from a text that the venue offers with both. Raises ConfigurationError."""
    if (sealed := source.pair(mode)) is not None:
        return sealed
    given = _require(source, Part.KEY, mode)
    hide(given)
    both = both_of(venue, source.name(Part.KEY), given)
    key = given if both is None else both[0]
    if both is None or source.given(Part.SECRET):
        secret = _require(source, Part.SECRET, mode)
        hide(secret)
        other = both_of(venue, source.name(Part.SECRET), secret)
        if other is not None and other[0] != key:
            raise ConfigurationError(
                f"{source.name(Part.SECRET)} holds a file of another key than {source.name(Part.KEY)}"
            )
        secret = secret if other is None else other[1]
    else:
        secret = both[1]
    hide(key, secret)
    return key, secret


def both_of(venue: str, name: str, text: str) -> tuple[str, str] | None:
    """Return key and secret of a text that holds both; None for any other. Raises ConfigurationError."""
    try:
        return VENUE_FACTS[venue].read_key_file(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None


def read_variable(name: str, mode: Mode | None = None) -> str:
    """Return the value of a variable, or the content of the file that `<name>_FILE` names; an empty string if neither is set.

    The file's permissions are checked if `mode` is given: for a key that will be used. Raises ConfigurationError.
    """
    value = os.environ.get(name, "").strip()
    path = os.environ.get(f"{name}_FILE", "").strip()
    if not value and path:
        if mode is not None:
            refuse_open_file(Path(path), mode, f"{name}_FILE names {path}, which")
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not a text"
            raise ConfigurationError(f"{name}_FILE names {path}, which cannot be read: {why}") from None
        if not value:
            raise ConfigurationError(f"{name}_FILE names {path}, which is empty")
    return value


def _require(source: KeySource, part: Part, mode: Mode) -> str:
    value = source.text(part, mode)
    if not value:
        raise ConfigurationError(source.missing(part))
    if value.lower().startswith(_PLACEHOLDERS) and len(value) < _SHORTEST_REAL:
        raise ConfigurationError(f"{source.name(part)} holds a placeholder, not a key")
    return value
