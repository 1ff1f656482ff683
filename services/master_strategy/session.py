"""One connected session of the master: from the first private call to the first failure that ends it.

Crash-only: losing Redis, the lease or the key ends everything, and the next session begins from what the venue and Redis hold.
Nothing that matters may exist in memory only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from services.master_strategy.account.account_check import AccountCheck
from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.book_loader import open_book
from services.master_strategy.account.key_doctor import MasterKeyDoctor
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.account.master_name import name_in_force, require_own_name
from services.master_strategy.account.master_results import MasterResults
from services.master_strategy.account.renamed import (
    Table,
    former_names,
    move_recorded,
    names_in_force,
    until_renamed,
)
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fill_stream import FillStream
from services.master_strategy.fills.fill_watcher import FillWatcher
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.resting_orders import RestingOrders
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.fills.signal_emitter import SignalEmitter
from services.master_strategy.fills.stream_trust import StreamTrust
from services.master_strategy.stops.resting_stops import RestingStops
from services.master_strategy.stops.venue_stops import VenueStops
from services.master_strategy.trading.own_order_records import OwnOrderRecords
from services.master_strategy.trading.send_hooks import MasterHooks, OwnAccount
from services.master_strategy.trading.strategies import Strategies
from services.master_strategy.trading.trader import Trader
from services.master_strategy.venue_state import VenueState
from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.master.master_account import MasterRecords, read_holdings
from shared.bus.master.master_orders import MasterOrderLog
from shared.bus.order.orders import OrderStore
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.rename import NO_RENAMES
from shared.domain.values.clock_offset import ClockOffset
from shared.domain.values.symbol import Symbol
from shared.execution.following.streamed_orders import StreamedOrders
from shared.execution.sender import Sender
from shared.execution.timing import SECOND, timing_of
from shared.runtime.crash_points import CrashPoints
from shared.runtime.supervision import endless
from shared.strategies.own_position import FIRST
from shared.strategies.settings import StrategySettings
from shared.venues.port import Venue
from shared.venues.stream import ConnectPermit

SEND_PATIENCE_MS: Final = 8_000
"""From the decision to the start of the send: enough to wait in the lane for one slow answer."""
_RETRY_SCAN: Final = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MasterSession:
    """The parts of one session. `run` connects `venue`. Where requests carry nonces, its first private call voids older ones."""

    bus: Bus
    lease: Lease
    venue: Venue
    nonces: NonceCounter | None
    """None at a venue without nonces."""
    settings: StrategySettings
    state: VenueState
    clock: Clock
    new_id: Callable[[], str]
    live: bool
    config: Path | None = None
    """The configuration folder, whose `strategies/` may hold the strategy."""
    faults: Faults = field(default_factory=Faults)
    health: ScanHealth | None = None
    table: Table = lambda: NO_RENAMES
    crash_points: CrashPoints = field(default_factory=CrashPoints)
    subject: str = MASTER
    """Names the account in faults that are about all of it."""
    permit: ConnectPermit | None = None
    """Awaited before each connect of the private stream; without one there is no stream, and fills are polled."""
    offset: Callable[[], ClockOffset | None] = lambda: None
    """Returns how far this host's clock is from the venue's, as measured."""
    name: str = ""
    """The master's name by its file; empty where it has none but its venue's."""
    symbols: Sequence[Symbol] = ()
    """The only symbols whose entries are copied; all are if it is empty."""

    async def run(self) -> None:
        """Connect, catch up, trade; ends only by raising."""
        async with asyncio.TaskGroup() as tasks:
            # After a loss the book would be newer than what Redis holds.
            tasks.create_task(endless("watching Redis", self.bus.until_lost()))
            await self._trade(tasks)

    async def _trade(self, tasks: asyncio.TaskGroup) -> None:
        settings, clock, venue, owner = self.settings, self.clock, self.venue, self.lease.holder
        own_positions = keys.strategy(owner, venue.name)
        records = Records(self.bus)
        store = OrderStore(self.bus, self.lease, owner, venue.name, positions=own_positions, lists_open=True)
        mirror = AccountMirror(
            venue,
            records,
            clock,
            symbols=settings.traded_symbols,
            currency=settings.currency,
            ignored=settings.ignore_assets,
            faults=self.faults,
            subject=self.subject,
            owner=owner,
        )
        slots = settings.slots(self.config)
        doctor = MasterKeyDoctor(
            self.bus,
            venue,
            clock,
            self.faults,
            currency=settings.currency,
            live=self.live,
            trades=settings.trades,
            offset=self.offset,
            subject=self.subject,
            owner=owner,
        )
        begun = clock.steady()  # after the lease was acquired: a predecessor's send began earlier
        await doctor.admit()
        await mirror.connect()
        _log.info(f"MASTER ACCOUNT: TRADING (Broker: {venue.name.upper()})")
        self.state.connected()
        signals = SignalLog(self.bus)
        master = MasterRecords(self.bus, self.lease, venue.name)
        names = await names_in_force(venue, self.table)
        await move_recorded(master, venue.name, names)
        book = await open_book(master, signals, venue.name, faults=self.faults, now=clock.now(), names=names)
        name = await self._name_in_force(book)
        holdings = await read_holdings(self.bus, venue.name, owner)
        keeps_stops = settings.stop_at_venue and settings.trades
        resting_stops = RestingStops(venue, clock, self.faults, wanted=keeps_stops)
        check = AccountCheck(
            book=book,
            mirror=mirror,
            records=master,
            clock=clock,
            venue=venue.name,
            baseline=settings.baseline,
            apart={coin: each.apart.amount for coin, each in holdings.items()},
            renaming=lambda: former_names(self.table()),
            locked=resting_stops.lock,
        )
        copies = OwnCopies(self.bus, venue.name, clock, self.faults, owner)
        emitter = SignalEmitter(
            venue=venue,
            signals=signals,
            records=records,
            master=master,
            lease=self.lease,
            book=book,
            mirror=mirror,
            check=check,
            copies=copies,
            clock=clock,
            freshness_ms=settings.entry_freshness_seconds * 1000,
            faults=self.faults,
            crash_points=self.crash_points,
            name=name,
            symbols=self.symbols,
        )
        resting = RestingOrders(
            log=MasterOrderLog(self.bus, venue.name) if owner == MASTER else None,
            venue=venue,
            lease=self.lease,
            book=book,
            mirror=mirror,
            copies=copies,
            clock=clock,
            currency=settings.currency,
            name=name,
            symbols=self.symbols,
        )
        trust = StreamTrust(clock, self.faults, self.subject)
        watcher = FillWatcher(
            venue=venue,
            store=store,
            signals=signals,
            master=master,
            emitter=emitter,
            book=book,
            check=check,
            copies=copies,
            clock=clock,
            currency=settings.currency,
            strategies=[slot.name for slot in slots] or [FIRST],
            faults=self.faults,
            health=self.health,
            resting=resting,
            trust=trust,
        )
        own = StreamedOrders(owner, clock.steady, missed=trust.note_missed)
        account = OwnAccount()
        hooks = MasterHooks(emitter, self.faults, self.crash_points, account, owner)
        trader = Trader(
            sender=Sender(
                user=owner,
                venue=venue,
                store=store,
                permit=self.nonces,
                lease=self.lease,
                clock=clock,
                account=account,
                patience_ms=SEND_PATIENCE_MS,
                hooks=hooks,
                stream=own,
            ),
            own_records=OwnOrderRecords(store, venue.name, owner),
            records=records,
            emitter=emitter,
            book=book,
            mirror=mirror,
            clock=clock,
            tasks=tasks,
            new_id=self.new_id,
            hooks=hooks,
            stops=resting_stops,
        )
        await trader.follow_unfinished()
        while not await watcher.scan_or_report():
            await clock.sleep(_RETRY_SCAN)
        self.state.open(Phase.OPEN if settings.trades else Phase.MIRROR)
        self.faults.clear(FaultKind.REDIS, MASTER)
        await self.state.publish("trading" if settings.trades else "mirror only")
        results = MasterResults(self.bus, store, venue.name, clock, settings.currency, owner)
        for loop in (mirror.run, watcher.run, doctor.run, resting.run, results.run):
            tasks.create_task(endless("a loop of the master's session", loop()))
        self._read_stream(tasks, watcher, mirror, trust, own, resting)
        tasks.create_task(endless("names", until_renamed(venue, self.table, names, clock)))
        strategies = Strategies(
            venue=venue,
            slots=slots,
            settings=settings,
            config=self.config,
            book=book,
            mirror=mirror,
            trader=trader,
            records=records,
            master=master,
            clock=clock,
            live=self.live,
            faults=self.faults,
            stops=VenueStops(
                venue=venue,
                book=book,
                mirror=mirror,
                trader=trader,
                store=store,
                stops=resting_stops,
                clock=clock,
                enabled=keeps_stops,
            ),
        )
        strategies.log_start()
        if not slots:
            return

        async def trade() -> None:
            if self.nonces is None:
                await _until_older_sends_are_seen(venue, watcher, clock, begun)
            await strategies.run()

        tasks.create_task(endless("the strategies' cycles", trade()))

    async def _name_in_force(self, book: MasterBook) -> str:
        """Return the name on this session's signals. Raises Unavailable where another account still has that of a further one."""
        if self.lease.holder != MASTER:
            await require_own_name(self.bus, self.name, self.venue.name)
            return self.name
        return await name_in_force(self.bus, self.venue.name, self.name, book.held().values(), self.faults)

    def _read_stream(
        self,
        tasks: asyncio.TaskGroup,
        watcher: FillWatcher,
        mirror: AccountMirror,
        trust: StreamTrust,
        own: StreamedOrders,
        resting: RestingOrders,
    ) -> None:
        """Have fills shown by the private stream, where the account has one."""
        stream = self.venue.private_stream()
        if stream is None or self.permit is None:
            return
        fills = FillStream(
            venue=self.venue,
            watcher=watcher,
            mirror=mirror,
            trust=trust,
            clock=self.clock,
            faults=self.faults,
            subject=self.subject,
            own=own,
            resting=resting,
        )
        for name, loop in (
            ("the private stream", fills.run(stream, self.permit)),
            ("emitting what the stream shows", fills.emit()),
            ("reading what the stream left unclear", fills.clear_up()),
        ):
            tasks.create_task(endless(name, loop))


async def _until_older_sends_are_seen(venue: Venue, watcher: FillWatcher, clock: Clock, begun: float) -> None:
    """Wait until an order that a predecessor sent is in the venue's lists, or never will be, and compare the fills.

    Such an order has a record, and is followed by it; but Redis may have lost that, and nothing voids what is under way. Without
    this the strategy would trade the same candle again. `begun` is the steady instant from which on no predecessor sent.
    """
    await clock.sleep(max(begun + timing_of(venue).proven_after_ms / SECOND - clock.steady(), 0.0))
    while not await watcher.scan_or_report():
        await clock.sleep(_RETRY_SCAN)
