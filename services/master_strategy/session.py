"""One connected life of the master: from the first private call to the first failure that ends it.

Crash-only: losing Redis, the lease or the key's standing tears everything down, and the next session begins from what the venue
and Redis hold. Nothing that matters is only in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from services.master_strategy.account_mirror import AccountMirror
from services.master_strategy.book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.cycle import Cycle
from services.master_strategy.fill_watcher import FillWatcher
from services.master_strategy.renamed import (
    Table,
    move_recorded,
    names_in_force,
    signals_renamed,
    until_renamed,
)
from services.master_strategy.strategy_file import StrategySettings
from services.master_strategy.trader import Trader
from services.master_strategy.write_ahead import WriteAhead
from shared.bus.connection import Bus
from shared.bus.heartbeat import Heartbeat
from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.orders import OrderStore
from shared.bus.records import Records
from shared.bus.signals import SignalLog
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.domain.account import MASTER
from shared.domain.rename import NO_RENAMES, Renames
from shared.domain.signal import Signal
from shared.venues.port import Venue

_TAIL: Final = 5_000
"""Signals that the book is folded from: weeks of a busy strategy; the positions hash covers what is older."""
_RETRY_SCAN: Final = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """What one session is made of. `venue` is connected by `run`, whose first private call is the take-over."""

    bus: Bus
    lease: Lease
    venue: Venue
    nonces: NonceCounter
    settings: StrategySettings
    heartbeat: Heartbeat
    clock: Clock
    new_id: Callable[[], str]
    live: bool
    table: Table = lambda: NO_RENAMES

    async def run(self) -> None:
        """Connect, catch up with what happened meanwhile, trade; ends only by raising."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.bus.until_lost())  # the book would be newer than what Redis holds then
            await self._trade(tasks)

    async def _trade(self, tasks: asyncio.TaskGroup) -> None:
        records, store = Records(self.bus), OrderStore(self.bus, self.lease, MASTER, self.venue.name)
        settings, clock, venue = self.settings, self.clock, self.venue
        mirror = AccountMirror(venue, records, clock, symbols=settings.symbols, currency=settings.currency)
        await mirror.connect()
        _log.info(f"MASTER ACCOUNT: TRADING (Broker: {venue.name.upper()})")
        signals = SignalLog(self.bus)
        names = await names_in_force(venue, self.table)
        await move_recorded(store, records, venue.name, names)
        book = await open_book(records, signals, venue.name, names)
        watcher = FillWatcher(
            venue=venue,
            store=store,
            signals=signals,
            records=records,
            lease=self.lease,
            book=book,
            mirror=mirror,
            clock=clock,
            freshness_ms=settings.entry_freshness_seconds * 1000,
        )
        strategy = settings.build()
        trader = Trader(
            venue=venue,
            ahead=WriteAhead(store, records, self.nonces, self.lease),
            watcher=watcher,
            book=book,
            mirror=mirror,
            clock=clock,
            tasks=tasks,
            new_id=self.new_id,
            strategy=strategy.name,
        )
        await trader.resume()
        while not await watcher.scan_or_say_why():
            await clock.sleep(_RETRY_SCAN)
        cycle = Cycle(
            venue=venue,
            strategy=strategy,
            settings=settings,
            book=book,
            mirror=mirror,
            trader=trader,
            clock=clock,
            live=self.live,
        )
        await self.heartbeat.tell("trading")
        tasks.create_task(until_renamed(venue, self.table, names, clock))
        for loop in (mirror.run(), watcher.run(), cycle.run()):
            tasks.create_task(loop)


async def open_book(records: Records, signals: SignalLog, venue: str, names: Renames = NO_RENAMES) -> MasterBook:
    """Fold the book from the stream's tail and the positions hash, under the names that are in force.

    An entry that cannot be read is left out, and said.
    """
    told: list[Signal] = []
    for entry in reversed(await signals.latest(_TAIL)):
        try:
            told.append(SignalMessage.parse(entry.fields).to_domain())
        except MalformedMessageError as error:
            _log.warning("an entry of the signal stream cannot be read", entry_id=entry.id, error=str(error))
    return MasterBook(venue, await records.positions(MASTER, venue), signals_renamed(names, venue, told))
