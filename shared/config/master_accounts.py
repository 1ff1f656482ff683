"""Which accounts the master has, by its keys and its files, and which one of them the strategy file has a strategy trade.

A strategy must never trade an account that a file declares to be mirrored only, nor be left without the account that it names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.config.errors import ConfigurationError
from shared.config.masters import MASTERS, MasterFile, MasterSource, name_at, usual_names
from shared.config.strategy_choice import STRATEGY_FILE, no_master_there, strategy_venue
from shared.domain.account import MASTER, master_owner
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName


@dataclass(frozen=True, slots=True)
class MasterAccountChoice:
    """One account of the master as it is configured."""

    owner: str
    """The user name in its Redis keys."""
    venue: str
    name: str = ""
    """The name on its signals; empty where it has none but its venue's."""
    key_owner: str = MASTER
    """The name under which its API key is read."""
    symbols: tuple[Symbol, ...] = ()
    """The only symbols whose entries are copied; all are if it is empty."""
    traded: bool = False
    """Whether the strategy trades it."""

    @property
    def further(self) -> bool:
        """Return whether it is an account beside the usual one at its venue."""
        return self.owner != MASTER


@dataclass(frozen=True, slots=True)
class TradedAccount:
    """What the strategy file says of the account that its strategy trades; empty where it says nothing."""

    trades: bool
    venue: str = ""
    master: str = ""
    file: Path = Path(STRATEGY_FILE)
    """What was read."""


def usual_venues(with_key: Collection[VenueName], files: Mapping[str, MasterFile]) -> tuple[VenueName, ...]:
    """Return the venues of the usual accounts: those with a key, and Kraken where the master has no account at all."""
    further = any(each.key for each in files.values())
    return tuple(with_key) or (() if further else (VenueName.KRAKEN,))


def master_accounts(
    config: Path, files: Mapping[str, MasterFile], usual: Sequence[str], traded: TradedAccount
) -> list[MasterAccountChoice]:
    """Return the accounts in the order in which they connect, the usual ones first. Raises ConfigurationError in one line."""
    names = usual_names(files)
    found = [_named(MasterAccountChoice(MASTER, venue), files.get(name_at(names, venue))) for venue in usual]
    found += [_named(MasterAccountChoice(each.owner, each.venue), each) for each in files.values() if each.key]
    chosen = _chosen(files, usual, traded)
    accounts = [replace(each, traded=traded.trades and chosen == (each.owner, each.venue)) for each in found]
    for each in accounts:
        _check_source(config, files.get(each.name), traded.file, traded=each.traded)
    return accounts


def _named(account: MasterAccountChoice, file: MasterFile | None) -> MasterAccountChoice:
    if file is None:
        return account
    return replace(account, name=file.name, key_owner=file.key_owner, symbols=file.symbols)


def _chosen(files: Mapping[str, MasterFile], usual: Sequence[str], traded: TradedAccount) -> tuple[str, str]:
    """Return owner and venue of the account that the strategy trades. Raises ConfigurationError if there is none."""
    if traded.master:
        file = files.get(traded.master)
        if file is None:
            raise ConfigurationError(
                f"{traded.file}: master is {traded.master!r}, but there is no file {MASTERS}/{traded.master}.toml"
            )
        if traded.venue and traded.venue != file.venue:
            raise ConfigurationError(
                f"{traded.file}: venue is {traded.venue!r}, but that of the master {file.name} is {file.venue!r}"
            )
        if not file.key and file.venue not in usual:
            raise ConfigurationError(no_master_there(traded.file, file.venue))
        return file.owner, file.venue
    if traded.venue and traded.venue not in usual:
        raise ConfigurationError(no_master_there(traded.file, traded.venue))
    return master_owner(), strategy_venue(traded.venue or None, usual)


def _check_source(config: Path, file: MasterFile | None, chosen: Path, *, traded: bool) -> None:
    if file is None or file.source is None:
        return
    path = config / MASTERS / f"{file.name}.toml"
    if traded and file.source is MasterSource.ACCOUNT:
        raise ConfigurationError(
            f'{path}: source is "account", but the strategy of {chosen.name} trades it: write source = "strategy" here, or '
            f"another master there"
        )
    if not traded and file.source is MasterSource.STRATEGY:
        raise ConfigurationError(
            f'{path}: source is "strategy", but no strategy trades it: write master = "{file.name}" in {chosen.name}'
        )
