"""Reads API keys; the only module that does.

Only executor, master and ops import it (import-linter checks that). A key is registered with the log filter as soon as it is
read, and its value is never in an error text.

A key is in variables or in the folder of secrets, there also sealed (`key_sources.py`). Where more than one place has it, they
must have the same: which one was meant cannot be known. A key file that others on this machine can read, or change, is refused in
live mode and logged as a warning in paper mode: see `secret_files.py` for who "others" are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.keys.key_sources import (
    FolderSource,
    KeySource,
    SealedSource,
    VariableSource,
    both_of,
    read_pair,
    read_variable,
)
from shared.config.keys.sealed_file import IDENTITY_VARIABLE
from shared.config.keys.sealed_prints import SealedPrints
from shared.config.keys.secrets_folder import Part, SecretsFolder, Stamp
from shared.config.settings import Mode
from shared.config.venue.venue_settings import KEY_VARIABLE, VENUE_FACTS, variable_part, venue_of
from shared.contracts.keys import fingerprint
from shared.domain.account import MASTER, is_master
from shared.domain.values.venue import VENUES, VenueName
from shared.runtime.logging import hide

_SEALED_PRINTS: Final = SealedPrints()
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

    @property
    def is_paper(self) -> bool:
        """Return whether it is a key of the paper exchange."""
        return self.key.startswith(_PAPER_PREFIX)


def read_api_key(
    venue: str, owner: str, mode: Mode, *, paper: bool = False, names: Mapping[str, Sequence[str]] | None = None
) -> ApiKey:
    """Read the key of an owner at a venue from the environment, a secret file or the folder of secrets.

    `owner` is a user id, `master`, or `master.<key>` for the key of a further account of a master.

    `paper`: the user has `paper = true`, so live mode accepts only a paper key. `names` is a recent result of `key_names`, for
    callers that read thousands of keys. Raises ConfigurationError naming the variable or file that is missing, blank, a
    placeholder, or of the wrong kind of money.
    """
    files = Mode.PAPER if paper else mode  # a key without access to real money only leads to a warning
    source, found = _read_one(venue, owner, files)
    name, other = source.name(Part.KEY), [each.name(Part.KEY) for each in key_sources(venue, owner)]
    _refuse_shared(name, found.key, key_names() if names is None else names, own=other)
    if mode is Mode.LIVE and found.is_paper and not paper:
        raise ConfigurationError(f"{name} is a paper key, but SHOAL_MODE is live")
    if mode is Mode.LIVE and paper and not found.is_paper:
        raise ConfigurationError(
            f"{name} is not a paper key (those begin with {_PAPER_PREFIX}), but {owner} has paper = true: it is not used"
        )
    return found


def key_sources(venue: str, owner: str) -> list[KeySource]:
    """Return the places where the key of an account can be: its variables, and the folder of secrets if there is one."""
    folder = SecretsFolder.of(os.environ)
    found: list[KeySource] = [VariableSource(venue, owner)]
    return [*found, FolderSource(folder, venue, owner), _sealed(folder, venue, owner)] if folder else found


def _sealed(folder: SecretsFolder, venue: str, owner: str) -> SealedSource:
    return SealedSource(folder, venue, owner, os.environ.get(IDENTITY_VARIABLE, "").strip())


def key_stamps(venue: str, owner: str) -> tuple[Stamp | None, ...]:
    """Return the stamps of every file that the key of an account can be read from; reads none of them."""
    return tuple(stamp for source in key_sources(venue, owner) for stamp in source.stamps())


def _read_one(venue: str, owner: str, mode: Mode) -> tuple[KeySource, ApiKey]:
    """Read the key from the one place that has it. Raises ConfigurationError, also if two have different ones."""
    sources = key_sources(venue, owner)
    given = [source for source in sources if source.given()]
    if not given:
        missing = [sources[0].missing(Part.KEY), *_paths(sources[1:2])]  # the sealed file is where few have one
        raise ConfigurationError(", nor is there a file ".join(missing))
    if len(given) > 1:
        first, *others = (_pair_or_none(source, venue, mode) for source in given)
        if first is None or any(other != first for other in others):
            places = " and by ".join(source.name(Part.KEY) for source in given)
            raise ConfigurationError(
                f"the key of {owner} at {VENUE_FACTS[venue].title} is given by {places}, and not the same: remove one of them"
            )
    return given[-1], ApiKey(*read_pair(given[-1], venue, mode))


def _paths(sources: Iterable[KeySource]) -> list[str]:
    return [source.name(Part.KEY) for source in sources]


def _pair_or_none(source: KeySource, venue: str, mode: Mode) -> tuple[str, str] | None:
    try:
        return read_pair(source, venue, mode)
    except ConfigurationError:
        return None


def key_names() -> Mapping[str, Sequence[str]]:
    """Return the variables and files of all accounts by the fingerprint of the key that each has.

    All venues together: `read_api_key` refuses one key at two venues as well. What cannot be read is left out here;
    `read_api_key` raises for it.
    """
    places = [
        (name, venue_of(name), partial(read_variable, name))
        for name in sorted({match["name"] for _, match in _key_variables()})
    ]
    found: dict[str, list[str]] = {}
    if (folder := SecretsFolder.of(os.environ)) is not None:
        owners = list(folder.owners())
        files = [FolderSource(folder, *each) for each in owners if folder.holds_plain(*each)]
        places += [(file.name(Part.KEY), VenueName(file.venue), partial(file.text, Part.KEY)) for file in files]
        sealed = [_sealed(folder, *each) for each in owners if folder.holds_sealed(*each)]
        for path, of_key in _SEALED_PRINTS.of(sealed).items():
            found.setdefault(of_key, []).append(path)
    for name, venue, read in places:
        try:
            value = read()
            hide(value)
            both = both_of(venue, name, value)
        except ConfigurationError:
            continue
        if value:
            key = value if both is None else both[0]
            hide(key)
            found.setdefault(fingerprint(key), []).append(name)
    return found


def _refuse_shared(name: str, key: str, names: Mapping[str, Sequence[str]], *, own: Collection[str]) -> None:
    """Raise ConfigurationError for a key of two accounts: each would count its own nonces, and both would fail."""
    for other in names.get(fingerprint(key), ()):
        if other != name and other not in own:
            raise ConfigurationError(f"{name} and {other} hold the same key; every account needs its own")


def master_venues() -> tuple[VenueName, ...]:
    """Return the venues for which the master has a key, in the order in which they connect: Coinbase, then Kraken."""
    named = {
        match["name"]
        for name, match in _key_variables()
        if not (match["user"] or match["master"]) and os.environ[name].strip()
    }
    folder = SecretsFolder.of(os.environ)
    found = [
        venue
        for venue in VENUES
        if f"{VENUE_FACTS[venue].key_stem(MASTER)}_KEY" in named or (folder and folder.holds(venue, MASTER))
    ]
    return tuple(sorted(found))


def keys_without_user(users: Iterable[str]) -> list[str]:
    """Return the key variables and files whose user does not exist: perhaps misspelt, or the user is added later."""
    names = set(users)
    known = {variable_part(user) for user in names}
    variables = [
        name
        for name, match in _key_variables()
        if match["user"] and match["user"] not in known and os.environ[name].strip()
    ]
    if (folder := SecretsFolder.of(os.environ)) is None:
        return variables
    strangers = [(venue, owner) for venue, owner in folder.owners() if not is_master(owner) and owner not in names]
    return variables + [path for stranger in strangers for path in folder.places(*stranger)]


def _key_variables() -> list[tuple[str, re.Match[str]]]:
    """Return the variables with a key, or with the name of its file, in alphabetical order."""
    named = ((name, KEY_VARIABLE.fullmatch(name)) for name in sorted(os.environ))
    return [(name, match) for name, match in named if match and match["part"] == "KEY"]
