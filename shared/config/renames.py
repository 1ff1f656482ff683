"""Reads `config/renames.toml`: assets that a venue has renamed, for renames that the venue's own lists do not contain.

A file that cannot be read changes nothing: the former table stays in use, and the reason is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.config.errors import ConfigurationError
from shared.config.toml_file import read_toml
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.rename import NO_RENAMES, Rename, Renames, under_all_names
from shared.domain.values.venue import VenueName

FILE: Final = "renames.toml"

log = structlog.get_logger()


def _exact(value: object) -> object:
    # TOML has floats; their shortest representation is what was written in the file.
    return Decimal(str(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


_Asset = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")]
_Ratio = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, le=10**12, allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    venue: VenueName
    old: _Asset = Field(alias="from")
    new: _Asset | Literal[""] = Field(default="", alias="to")
    ratio: _Ratio = Decimal(1)
    gone: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.gone == bool(self.new):
            raise ValueError("set either `to` (the new name) or `gone = true` (there is no new name)")
        if self.old == self.new:
            raise ValueError("from and to are the same")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rename: list[_Entry] = []


def load_renames(config: Path) -> Mapping[str, Renames]:
    """Return the table by venue; empty if there is no file. Raises ConfigurationError in one line."""
    path = config / FILE
    if not path.exists():
        return {}
    entries = read_toml(path, _File).rename
    try:
        return {
            venue: Renames.of(Rename(each.old, each.new, each.ratio) for each in entries if each.venue == venue)
            for venue in sorted({each.venue for each in entries})
        }
    except ValueError as error:  # names that contradict one another
        raise ConfigurationError(f"{path}: {error}") from None


class RenamesFile:
    """The present table of the file."""

    def __init__(self, config: Path, faults: Faults | None = None) -> None:
        self._config = config
        self._faults = faults or Faults()
        self._stamp: tuple[int, int, int] | None = None
        self._tables: Mapping[str, Renames] = {}
        self.look()

    def of(self, venue: str) -> Renames:
        """Return the table of a venue, as last read."""
        return self._tables.get(venue, NO_RENAMES)

    def named(self, policies: Iterable[UserPolicy]) -> list[UserPolicy]:
        """Return users' settings with the present names of their symbols."""
        tables = list(self._tables.values())
        if not tables:
            return list(policies)
        return [replace(policy, symbols=under_all_names(policy.symbols, tables)) for policy in policies]

    def look(self) -> bool:
        """Read the file again if it has changed; return whether the table has changed."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp, before = stamp, self._tables
        try:
            self._tables = load_renames(self._config)
        except ConfigurationError as error:
            if self._faults.report(FaultKind.USER_FILE, FILE, str(error)):
                log.error("renames not taken over; the former ones stay in force", reason=str(error))
            return False
        self._faults.clear(FaultKind.USER_FILE, FILE)
        return before != self._tables

    def _look(self) -> tuple[int, int, int] | None:
        try:
            facts = (self._config / FILE).stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size, facts.st_ino
