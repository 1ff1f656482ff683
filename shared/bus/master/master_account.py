"""The records of the master's account beside the signals: trades that were not copied, and what the account holds.

The master writes under its lease, each change together with what belongs to it, in one step. Reading leaves out unreadable
records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.ownership.lease import Lease
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.entry_history_record import read_entry_history, write_entry_history
from shared.contracts.fields import MalformedMessageError
from shared.contracts.master_account import read_holding, read_uncopied, write_holding, write_uncopied
from shared.contracts.own_position_record import own_position_field, read_own_position, write_own_position
from shared.contracts.position_record import read_position, write_position
from shared.domain.account import MASTER
from shared.domain.master_account import MasterHolding, UncopiedOrder
from shared.domain.position import Position
from shared.domain.values.symbol import Symbol
from shared.strategies.entry_history import EntryHistory
from shared.strategies.own_position import OwnPosition

_POSITIONS, _UNCOPIED, _HOLDINGS, _STRATEGY, _ENTRIES = "1", "2", "3", "4", "5"
KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""How long the record of an uncopied order is kept: longer than the venue is queried for ended orders."""


async def read_all_uncopied(bus: Bus, venue: str, owner: str = MASTER) -> dict[str, UncopiedOrder]:
    """Read the orders that were not copied, by the id of the order."""
    found = {}
    for row_id, written in pairs(await bus.do("HGETALL", keys.uncopied(owner, venue))).items():
        try:
            found[row_id] = read_uncopied(row_id, written)
        except MalformedMessageError:
            continue
    return found


async def read_holdings(bus: Bus, venue: str, owner: str = MASTER) -> dict[str, MasterHolding]:
    """Read the holdings of the account, by coin."""
    found = {}
    for coin, written in pairs(await bus.do("HGETALL", keys.holdings(owner, venue))).items():
        try:
            found[coin] = read_holding(coin, written)
        except MalformedMessageError:
            continue
    return found


async def read_positions(bus: Bus, key: str) -> tuple[dict[Symbol, Position], dict[str, str]]:
    """Read a hash of positions; the second part of the result is why a record cannot be read, by its field."""
    found, unreadable = {}, {}
    for name, written in pairs(await bus.do("HGETALL", key)).items():
        try:
            found[Symbol.parse(name)] = read_position(written)
        except ValueError as error:  # MalformedMessageError is one
            unreadable[name] = str(error)
    return found, unreadable


async def read_own_positions(bus: Bus, venue: str, owner: str = MASTER) -> tuple[list[OwnPosition], dict[str, str]]:
    """Read what the strategies hold; the second part of the result is what of it cannot be read and why, by its field.

    A position whose plan alone cannot be read is in both.
    """
    found, unreadable = [], {}
    for name, written in pairs(await bus.do("HGETALL", keys.strategy(owner, venue))).items():
        try:
            read = read_own_position(name, written)
        except ValueError as error:  # MalformedMessageError is one
            unreadable[name] = str(error)
            continue
        found.append(read.own)
        if read.plan_error:
            unreadable[name] = f"its exit plan: {read.plan_error}"
    return found, unreadable


async def read_entries_of(bus: Bus, venue: str, strategy: str, owner: str = MASTER) -> EntryHistory:
    """Read when a strategy last entered; empty if that is not recorded. Raises MalformedMessageError."""
    written = await bus.do("HGET", keys.strategy_entries(owner, venue), strategy)
    return read_entry_history(written) if isinstance(written, str) else EntryHistory()


class MasterRecords:
    """The records of the master's account at one venue, under one lease."""

    def __init__(self, bus: Bus, lease: Lease, venue: str) -> None:
        """The lease is that of the account's owner: `master`, or `master.<name>`."""
        self.bus = bus
        self.owner = lease.holder
        self._lease = lease
        self._keys = [
            keys.fence(lease.holder),
            keys.positions(lease.holder, venue),
            keys.uncopied(lease.holder, venue),
            keys.holdings(lease.holder, venue),
            keys.strategy(lease.holder, venue),
            keys.strategy_entries(lease.holder, venue),
        ]

    async def write(
        self,
        *,
        positions: Iterable[Position] = (),
        uncopied: Iterable[UncopiedOrder] = (),
        holdings: Iterable[MasterHolding] = (),
        strategy: Iterable[OwnPosition] = (),
        entries: Mapping[str, EntryHistory] | None = None,
        forget: Iterable[str] = (),
    ) -> None:
        """Write in one step; `forget` names old uncopied orders, whose records are removed. Raises LeaseLost, BusUnavailable.

        `entries` are the histories of strategies, by name.
        """
        fields = [(_POSITIONS, str(each.symbol), _written(each)) for each in positions]
        fields += [(_UNCOPIED, each.id, write_uncopied(each)) for each in uncopied]
        fields += [(_HOLDINGS, each.coin, write_holding(each) if each.total.amount > 0 else "") for each in holdings]
        fields += [  # flat ones too
            (_STRATEGY, own_position_field(each.strategy, each.symbol), write_own_position(each)) for each in strategy
        ]
        fields += [(_ENTRIES, name, write_entry_history(history)) for name, history in (entries or {}).items()]
        fields += [(_UNCOPIED, row_id, "") for row_id in forget]
        if not fields:
            return
        flat = [part for field in fields for part in field]
        if await self.bus.run(load("put_fields"), self._keys, [self._lease.token, *flat]) == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")


def _written(position: Position) -> str:
    return write_position(position) if position.size.amount > 0 else ""
