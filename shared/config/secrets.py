"""Reads API keys; the only module that does.

Only executor, master and ops import it (import-linter checks that). A key is registered with the log filter as soon as it is
read, and its value is never in an error text.

A key file that others on this machine can read, or change, is refused in live mode and logged as a warning in paper mode: see
`secret_files.py` for who "others" are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.secret_files import refuse_open_file
from shared.config.settings import Mode
from shared.config.venue_settings import KEY_VARIABLE, VENUE_FACTS, variable_part, venue_of
from shared.contracts.keys import fingerprint
from shared.domain.account import MASTER
from shared.domain.values.venue import VENUES, VenueName
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
_PAPER_PREFIX: Final = "PAPER"
"""Keys of the paper exchange begin with this, so that live mode can refuse or require them."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and its secret; the representation shows neither."""

    key: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint, the only part that may be shown."""
        return fingerprint(self.key)


def read_api_key(
    venue: str, owner: str, mode: Mode, *, paper: bool = False, names: Mapping[str, Sequence[str]] | None = None
) -> ApiKey:
    """Read the key of `owner` (a user id, or `master`) at a venue from the environment or from a secret file.

    `paper`: the user has `paper = true`, so live mode accepts only a paper key. `names` is a recent result of `key_names`, for
    callers that read thousands of keys. Raises ConfigurationError naming the variable that is missing, blank, a placeholder, or
    of the wrong kind of money.
    """
    stem = VENUE_FACTS[venue].key_stem(owner)
    files = Mode.PAPER if paper else mode  # a key without access to real money only leads to a warning
    key, secret = _read_pair(venue, stem, files)
    _refuse_shared(f"{stem}_KEY", key, key_names() if names is None else names)
    is_paper_key = key.startswith(_PAPER_PREFIX)
    if mode is Mode.LIVE and is_paper_key and not paper:
        raise ConfigurationError(f"{stem}_KEY is a paper key, but SHOAL_MODE is live")
    if mode is Mode.LIVE and paper and not is_paper_key:
        raise ConfigurationError(
            f"{stem}_KEY is not a paper key (those begin with {_PAPER_PREFIX}), but {owner} has paper = true: it is not used"
        )
    return ApiKey(key, secret)


def _read_pair(venue: str, stem: str, mode: Mode) -> tuple[str, str]:
    """Read a key and its secret: from two variables, or from a text that the venue offers with both."""
    given = _read(f"{stem}_KEY", mode)
    hide(given)
    both = _both(venue, f"{stem}_KEY", given)
    key = given if both is None else both[0]
    if both is None or _value(f"{stem}_SECRET"):
        secret = _read(f"{stem}_SECRET", mode)
        hide(secret)
        other = _both(venue, f"{stem}_SECRET", secret)
        if other is not None and other[0] != key:
            raise ConfigurationError(f"{stem}_SECRET holds a file of another key than {stem}_KEY")
        secret = secret if other is None else other[1]
    else:
        secret = both[1]
    hide(key, secret)
    return key, secret


def _both(venue: str, name: str, text: str) -> tuple[str, str] | None:
    try:
        return VENUE_FACTS[venue].read_key_file(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None


def key_names() -> Mapping[str, Sequence[str]]:
    """Return the variables of all accounts by the fingerprint of the key that each has, directly or in a file.

    All venues together: `read_api_key` refuses one key at two venues as well. A variable that cannot be read is left out here;
    `read_api_key` raises for it.
    """
    found: dict[str, list[str]] = {}
    for name in sorted({match["name"] for _, match in _key_variables()}):
        try:
            value = _value(name)
            hide(value)
            both = _both(venue_of(name), name, value)
        except ConfigurationError:
            continue
        if value:
            key = value if both is None else both[0]
            hide(key)
            found.setdefault(fingerprint(key), []).append(name)
    return found


def _refuse_shared(name: str, key: str, names: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigurationError for a key with two names: each would count its own nonces, and both would fail."""
    for other in names.get(fingerprint(key), ()):
        if other != name:
            raise ConfigurationError(f"{name} and {other} hold the same key; every account needs its own")


def master_venues() -> tuple[VenueName, ...]:
    """Return the venues for which the master has a key, in the order in which they connect: Coinbase, then Kraken."""
    named = {match["name"] for name, match in _key_variables() if not match["user"] and os.environ[name].strip()}
    found = [venue for venue in VENUES if f"{VENUE_FACTS[venue].key_stem(MASTER)}_KEY" in named]
    return tuple(sorted(found))


def keys_without_user(users: Iterable[str]) -> list[str]:
    """Return the key variables whose user does not exist: perhaps misspelt, or the user is added later."""
    known = {variable_part(user) for user in users}
    return [
        name
        for name, match in _key_variables()
        if match["user"] and match["user"] not in known and os.environ[name].strip()
    ]


def _key_variables() -> list[tuple[str, re.Match[str]]]:
    """Return the variables with a key, or with the name of its file, in alphabetical order."""
    named = ((name, KEY_VARIABLE.fullmatch(name)) for name in sorted(os.environ))
    return [(name, match) for name, match in named if match and match["part"] == "KEY"]


def _read(name: str, mode: Mode) -> str:
    value = _value(name, mode)
    if not value:
        state = "is blank" if name in os.environ else "is not set"
        raise ConfigurationError(f"{name} {state} (nor is {name}_FILE)")
    if value.lower().startswith(_PLACEHOLDERS) and len(value) < _SHORTEST_REAL:
        raise ConfigurationError(f"{name} holds a placeholder, not a key")
    return value


def _value(name: str, mode: Mode | None = None) -> str:
    """Return the value of a variable, or the content of the file that `<name>_FILE` names; an empty string if neither is set.

    The file's permissions are checked if `mode` is given: for a key that will be used.
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
