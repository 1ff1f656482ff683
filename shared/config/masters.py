"""Reads `config/masters/<name>.toml`: the names of masters. Without a file a master is named after its venue.

A name stands on every signal of that account and names the book in which each user's copies are kept, so it must be clear which
account has it: an error in one file stops the start of the master, and never gives an account another name.

A file without `key` names the account that the master has at a venue anyway. With `key` it is a further account there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from shared.config.errors import ConfigurationError
from shared.config.toml_file import read_toml
from shared.config.users.file import symbol
from shared.config.venue.venue_settings import variable_part
from shared.domain.account import MASTER, master_owner
from shared.domain.values.master_name import NAME_WORDS, is_master_name
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName

MASTERS: Final = "masters"
"""The folder of the masters' files, inside the configuration folder."""
_SUFFIX: Final = ".toml"


class MasterSource(StrEnum):
    """Who trades an account: the strategies of the strategy file that names this master, or only others."""

    STRATEGY = "strategy"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class MasterFile:
    """One named master."""

    name: str
    venue: str
    key: str = ""
    """The name of its API key: its variables are `<VENUE>_MASTER_<KEY>_API_KEY`, its folder `<venue>/master.<key>`. Empty for the
    account that the master has at the venue anyway, whose key has no name."""
    source: MasterSource | None = None
    """Who trades it, if the file says so."""
    symbols: tuple[Symbol, ...] = ()
    """The only symbols whose entries are copied; all are if it is empty."""

    @property
    def owner(self) -> str:
        """Return the user name in the account's Redis keys."""
        return master_owner(self.name) if self.key else MASTER

    @property
    def key_owner(self) -> str:
        """Return the name under which its API key is read."""
        return master_owner(self.key)


def _key_name(value: str) -> str:
    if not is_master_name(value):
        raise ValueError(NAME_WORDS.replace("a master's name", "the name of a key"))
    return value


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    venue: VenueName
    """Where the account is."""
    key: Annotated[str, AfterValidator(_key_name)] = ""
    source: MasterSource | None = None
    symbols: Annotated[tuple[Annotated[Symbol, BeforeValidator(symbol)], ...], Field(max_length=50)] = ()


def load_masters(config: Path) -> Mapping[str, str]:
    """Return the venue of each named master, by name; empty without files. Raises ConfigurationError in one line."""
    return {name: each.venue for name, each in load_master_files(config).items()}


def load_master_files(config: Path) -> Mapping[str, MasterFile]:
    """Return each named master, by name and in the order of the names. Raises ConfigurationError in one line."""
    folder = config / MASTERS
    try:
        if not folder.exists():
            return {}
        files = sorted(each for each in folder.iterdir() if each.suffix == _SUFFIX and not each.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from None
    found: dict[str, MasterFile] = {}
    for path in files:
        name = path.name.removesuffix(_SUFFIX)
        if not is_master_name(name):
            raise ConfigurationError(f"{path}: {NAME_WORDS}")
        read = read_toml(path, _File)
        each = MasterFile(name, str(read.venue), read.key, read.source, read.symbols)
        if why := _clash(each, found.values()):
            raise ConfigurationError(f"{path}: {why}")
        found[name] = each
    return found


def _clash(one: MasterFile, others: Collection[MasterFile]) -> str:
    """Return why a file and an earlier one are of the same account; empty if none is."""
    for other in others:
        if one.venue != other.venue or variable_part(one.key) != variable_part(other.key):
            continue
        if not one.key:
            return f"venue is {one.venue}, which is that of {other.name}: an account has one name"
        return f"key is {one.key}, which at {one.venue} is that of {other.name}: every account needs its own"
    return ""


def name_at(masters: Mapping[str, str], venue: str) -> str:
    """Return the name of the master whose account is at a venue; an empty text if it has none but the venue's."""
    return next((name for name, place in masters.items() if place == venue), "")


def usual_names(files: Mapping[str, MasterFile]) -> Mapping[str, str]:
    """Return the venue of each named master that has no further account but the usual one there, by name."""
    return {name: each.venue for name, each in files.items() if not each.key}
