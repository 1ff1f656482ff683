"""Reads `config/masters/<name>.toml`: the names of masters. Without a file a master is named after its venue.

A name stands on every signal of that account and names the book in which each user's copies are kept, so it must be clear which
account has it: an error in one file stops the start of the master, and never gives an account another name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from shared.config.errors import ConfigurationError
from shared.config.toml_file import read_toml
from shared.domain.values.master_name import NAME_WORDS, is_master_name
from shared.domain.values.venue import VenueName

MASTERS: Final = "masters"
"""The folder of the masters' files, inside the configuration folder."""
_SUFFIX: Final = ".toml"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: VenueName
    """Where the account is: the master has one account at each venue."""


def load_masters(config: Path) -> Mapping[str, str]:
    """Return the venue of each named master, by name; empty without files. Raises ConfigurationError in one line."""
    folder = config / MASTERS
    try:
        if not folder.exists():
            return {}
        files = sorted(each for each in folder.iterdir() if each.suffix == _SUFFIX and not each.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from None
    found: dict[str, str] = {}
    for path in files:
        name = path.name.removesuffix(_SUFFIX)
        if not is_master_name(name):
            raise ConfigurationError(f"{path}: {NAME_WORDS}")
        venue = str(read_toml(path, _File).venue)
        if other := next((each for each, place in found.items() if place == venue), ""):
            raise ConfigurationError(f"{path}: venue is {venue}, which is that of {other}: an account has one name")
        found[name] = venue
    return found


def name_at(masters: Mapping[str, str], venue: str) -> str:
    """Return the name of the master whose account is at a venue; an empty text if it has none but the venue's."""
    return next((name for name, place in masters.items() if place == venue), "")
