"""One connected life of the master: from the first private call to the first failure that ends it.

Crash-only: losing Redis, the lease or the key's standing tears everything down, and the next session begins from what the venue
and Redis hold. Nothing that matters is only in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.master_strategy.account.account_check import AccountCheck
from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.book import MasterBook
from services.master_strategy.account.own_positions import OwnPositions, from_reports
from services.master_strategy.account.renamed import (
    Table,
    former_names,
    move_recorded,
    names_in_force,
    signals_renamed,
    until_renamed,
)
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fill_watcher import FillWatcher
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.strategies.settings import StrategySettings
from services.master_strategy.trading.cycle import Cycle
from services.master_strategy.trading.own_order_records import OwnOrderRecords
from services.master_strategy.trading.send_hooks import MasterHooks, OwnAccount
from services.master_strategy.trading.trader import Trader
from shared.bus.connection import Bus
from shared.bus.heartbeat import Heartbeat
from shared.bus.lease import Lease
from shared.bus.master_account import KEPT_MS, MasterRecords, read_all_uncopied, read_holdings, read_positions
from shared.bus.nonce import NonceCounter
from shared.bus.orders import OrderStore
from shared.bus.records import Records
from shared.bus.signals import SignalLog
from shared.bus.streams import read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.heartbeat import Phase
from shared.contracts.messages import ReportMessage, SignalMessage
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.position import Position
from shared.domain.rename import NO_RENAMES, Renames
from shared.domain.signal import Signal
from shared.domain.values.symbol import Symbol
from shared.execution.sender import Sender
from shared.runtime.crash_points import CrashPoints
from shared.runtime.supervision import endless
from shared.venues.port import Venue

SEND_PATIENCE_MS: Final = 8_000
"""From the decision to the start of the send: enough for a wait in the lane behind one slow answer."""
_TAIL: Final = 5_000
"""Signals that the book is folded from: weeks of a busy strategy; the positions hash covers what is older."""
_RETRY_SCAN: Final = 2.0
MIRROR_ONLY: Final = "MASTER (mirror only)"

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
    faults: Faults = field(default_factory=Faults)
    health: ScanHealth | None = None
    table: Table = lambda: NO_RENAMES
    crash_points: CrashPoints = field(default_factory=CrashPoints)

    async def run(self) -> None:
        """Connect, catch up with what happened meanwhile, trade; ends only by raising."""
        async with asyncio.TaskGroup() as tasks:
            # The book would be newer than what Redis holds then.
            tasks.create_task(endless("watching Redis", self.bus.until_lost()))
            await self._trade(tasks)

    async def _trade(self, tasks: asyncio.TaskGroup) -> None:
        settings, clock, venue = self.settings, self.clock, self.venue
        own_positions = keys.strategy(MASTER, venue.name)
        records = Records(self.bus)
        store = OrderStore(self.bus, self.lease, MASTER, venue.name, positions=own_positions)
        mirror = AccountMirror(
            venue,
            records,
            clock,
            symbols=settings.symbols,
            currency=settings.currency,
            ignored=settings.ignore_assets,
            faults=self.heartbeat.faults,
        )
        await mirror.connect()
        _log.info(f"MASTER ACCOUNT: TRADING (Broker: {venue.name.upper()})")
        signals = SignalLog(self.bus)
        strategy = settings.build()
        master = MasterRecords(self.bus, self.lease, venue.name)
        names = await names_in_force(venue, self.table)
        await move_recorded(master, venue.name, names)
        book = await open_book(master, signals, venue.name, faults=self.faults, now=clock.now(), names=names)
        holdings = await read_holdings(self.bus, venue.name)
        check = AccountCheck(
            book=book,
            mirror=mirror,
            records=master,
            clock=clock,
            venue=venue.name,
            baseline=settings.baseline,
            apart={coin: each.apart.amount for coin, each in holdings.items()},
            renaming=lambda: former_names(self.table()),
        )
        watcher = FillWatcher(
            venue=venue,
            store=store,
            signals=signals,
            records=records,
            master=master,
            lease=self.lease,
            book=book,
            mirror=mirror,
            check=check,
            copies=OwnCopies(self.bus, venue.name, clock, self.faults),
            clock=clock,
            freshness_ms=settings.entry_freshness_seconds * 1000,
            strategy=settings.name,
            faults=self.faults,
            health=self.health,
            crash_points=self.crash_points,
        )
        account = OwnAccount()
        hooks = MasterHooks(watcher, self.heartbeat.faults, self.crash_points, account)
        trader = Trader(
            sender=Sender(
                user=MASTER,
                venue=venue,
                store=store,
                permit=self.nonces,
                lease=self.lease,
                clock=clock,
                account=account,
                patience_ms=SEND_PATIENCE_MS,
                hooks=hooks,
            ),
            own_records=OwnOrderRecords(store),
            records=records,
            watcher=watcher,
            book=book,
            mirror=mirror,
            clock=clock,
            tasks=tasks,
            new_id=self.new_id,
            strategy=settings.name,
            hooks=hooks,
        )
        await trader.resume()
        while not await watcher.scan_or_say_why():
            await clock.sleep(_RETRY_SCAN)
        self.heartbeat.phase = Phase.MIRROR if strategy is None else Phase.OPEN
        self.heartbeat.faults.clear(FaultKind.REDIS, MASTER)
        await self.heartbeat.publish("mirror only" if strategy is None else "trading")
        for loop in (mirror.run, watcher.run):
            tasks.create_task(endless("a loop of the master's session", loop()))
        tasks.create_task(endless("names", until_renamed(venue, self.table, names, clock)))
        if strategy is None:
            _log.info(MIRROR_ONLY, does="signals what is traded on the account; no strategy, no orders of its own")
            return
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
        tasks.create_task(endless("the strategy's cycle", cycle.run()))


async def open_book(
    master: MasterRecords,
    signals: SignalLog,
    venue: str,
    *,
    faults: Faults,
    now: int,
    names: Renames = NO_RENAMES,
) -> MasterBook:
    """Fold the book from the stream's tail and what is recorded, under the names that are in force.

    What cannot be read is left out, and said.
    """
    told: list[Signal] = []
    for entry in reversed(await signals.latest(_TAIL)):
        try:
            told.append(SignalMessage.parse(entry.fields).to_domain())
        except MalformedMessageError as error:
            faults.count(FaultKind.STREAM)
            _log.warning("an entry of the signal stream cannot be read", entry_id=entry.id, error=str(error))
    told = signals_renamed(names, venue, told)
    recorded = await _positions(master, keys.positions(MASTER, venue), faults)
    mine = await _positions(master, keys.strategy(MASTER, venue), faults)
    own = OwnPositions(mine)
    if not mine:  # it was never recorded: the reports of the strategy's orders tell
        told_of = from_reports(await _reports(master.bus, venue, faults))
        own = OwnPositions(names.positions(told_of.held()))
        await master.write(strategy=own.held().values())
    uncopied = await read_all_uncopied(master.bus, venue)
    old = [row.id for row in uncopied.values() if row.at < now - KEPT_MS]
    await master.write(forget=old)
    kept = {row_id: row for row_id, row in uncopied.items() if row_id not in old}
    return MasterBook(venue, recorded, told, uncopied=kept, own=own)


async def _positions(master: MasterRecords, key: str, faults: Faults) -> dict[Symbol, Position]:
    found, unreadable = await read_positions(master.bus, key)
    before = [each for each in faults.standing if each.kind is FaultKind.RECORD and each.subject.startswith(f"{key} ")]
    for fault in before:  # a former session's, unless it is reported again
        if fault.subject.removeprefix(f"{key} ") not in unreadable:
            faults.clear(FaultKind.RECORD, fault.subject)
    for name, why in unreadable.items():
        faults.report(FaultKind.RECORD, f"{key} {name}", why)
        _log.error("a position's record cannot be read", key=key, symbol=name, error=why)
    return found


async def _reports(bus: Bus, venue: str, faults: Faults) -> list[ReportMessage]:
    """Read the reports of the strategy's own orders at a venue, oldest first."""
    stream = keys.reports(MASTER)
    found = []
    for entry in reversed(read_entries(stream, await bus.do("XREVRANGE", stream, "+", "-", "COUNT", _TAIL))):
        try:
            report = ReportMessage.parse(entry.fields)
        except MalformedMessageError as error:
            faults.count(FaultKind.STREAM)
            _log.warning("a report of an own order cannot be read", entry_id=entry.id, error=str(error))
        else:
            found += [report] if report.venue == venue else []
    return found
