"""A master on a fake venue and a real Redis, whose process can be given up at any point and started again.

Time is stepped: a sleep moves it, so that backoffs and deadlines pass at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import uuid4

from services.master_strategy.account.account_check import AccountCheck
from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.book_loader import open_book
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.fills.fill_stream import FillStream
from services.master_strategy.fills.fill_watcher import FillWatcher
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.fills.signal_emitter import SignalEmitter
from services.master_strategy.fills.stream_trust import StreamTrust
from services.master_strategy.plugins.runner import open_runner
from services.master_strategy.session import SEND_PATIENCE_MS
from services.master_strategy.stops.resting_stops import RestingStops
from services.master_strategy.stops.venue_stops import VenueStops
from services.master_strategy.trading.cycle import Cycle
from services.master_strategy.trading.exit_watch import ExitWatch
from services.master_strategy.trading.exits import Exits
from services.master_strategy.trading.own_order import OwnOrder, own_id
from services.master_strategy.trading.own_order_records import OwnOrderRecords
from services.master_strategy.trading.send_hooks import MasterHooks, OwnAccount
from services.master_strategy.trading.trader import Trader
from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import read_entries
from shared.bus.master.master_account import MasterRecords, read_holdings
from shared.bus.order.orders import OrderStore
from shared.bus.order.send_permit import SendPermit
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.records import Records, pairs
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.contracts import keys
from shared.contracts.messages import ReportMessage, SignalMessage
from shared.domain.account import MASTER
from shared.domain.fault import Faults
from shared.domain.master_account import Baseline
from shared.domain.order import Side
from shared.domain.signal import Signal
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.execution.following.streamed_orders import StreamedOrders
from shared.execution.record import OrderRecord
from shared.execution.sender import Sender
from shared.runtime.crash_points import CrashPoints
from shared.strategies.order_plan import OrderPlan
from shared.strategies.settings import StrategySettings
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.port import OrderRequest, Outgoing
from tests.integration.execution.stepped_time import SteppedTime
from tests.unit.master_strategy.values import BTC, btc

FEE = Decimal("0.004")


@dataclass
class Run:
    """The parts of one process of the master. Dropping it is a crash: nothing of it is tidied up."""

    lease: Lease
    nonces: NonceCounter
    venue: FakeVenue
    mirror: AccountMirror
    book: MasterBook
    watcher: FillWatcher
    emitter: SignalEmitter
    store: OrderStore
    records: Records
    master: MasterRecords
    time: SteppedTime
    faults: Faults
    crash_points: CrashPoints
    trust: StreamTrust
    stops: RestingStops
    stream: StreamedOrders | None = None
    """What the account's private stream shows, if a test has opened it."""

    def fill_stream(self) -> FillStream:
        """A reader of the account's private stream, whose loops the test runs; the trader's orders are ended by it as well."""
        self.stream = StreamedOrders(MASTER, lambda: self.time.steady, missed=self.trust.note_missed)
        return FillStream(
            venue=self.venue,
            watcher=self.watcher,
            mirror=self.mirror,
            trust=self.trust,
            clock=self.time.clock(),
            faults=self.faults,
            subject=MASTER,
            own=self.stream,
        )

    @property
    def permit(self) -> NonceCounter | None:
        """What an order's write-ahead allocates from; None at a venue without nonces."""
        return None if self.venue.replays else self.nonces

    async def begin(self, _outgoing: Outgoing) -> int:
        """Return the nonce of an order that somebody else sends with the account's key."""
        return 0 if self.venue.replays else await self.nonces.next()

    def own(self, side: Side, size: str) -> OwnOrder:
        """An order of the strategy, not sent yet."""
        return OwnOrder(
            id=own_id(str(uuid4()), "sma-cross"),
            venue=self.venue.name,
            symbol=BTC,
            side=side,
            size=btc(size),
            limit_price=None,
            begun_at=self.time.now,
            strategy="sma-cross",
            owner=MASTER,
        )

    async def write_ahead(self, own: OwnOrder, outgoing: Outgoing) -> int:
        """Record the intent to send an order, and get no further; answers the nonce."""
        leg = own.leg()
        request = OrderRequest(own.id, own.symbol, own.side, own.size, own.limit_price, outgoing.deadline_at)
        intent = OrderRecord.intent(leg, request, outgoing, sent_at=self.time.now)
        begun = await self.store.begin(own.id, self.permit, intent)
        assert isinstance(begun, SendPermit)
        return begun.nonce

    async def place(self, own: OwnOrder) -> OwnOrder:
        """Write ahead and send, and get no further."""
        request = OrderRequest(
            own.id, own.symbol, own.side, own.size, own.limit_price, self.time.now + SEND_PATIENCE_MS
        )
        accepted = await self.venue.place(request, lambda outgoing: self.write_ahead(own, outgoing))
        return replace(own, venue_order_id=accepted.venue_order_id)

    async def trade(self, *plans: OrderPlan) -> Trader:
        """Send orders through the trader, one after another, each to its end."""
        for plan in plans:
            async with asyncio.TaskGroup() as tasks:
                trader = self.trader(tasks)
                trader.start(BTC, plan, "sma-cross")
        return trader

    async def resume(self) -> None:
        """Do what a start does: take up the earlier run's orders, then compare the fills."""
        async with asyncio.TaskGroup() as tasks:
            await self.trader(tasks).follow_unfinished()
            await self.watcher.scan()

    def trader(self, tasks: asyncio.TaskGroup) -> Trader:
        """A trader whose orders run in `tasks`."""
        account = OwnAccount()
        hooks = MasterHooks(self.emitter, self.faults, self.crash_points, account)
        clock = self.time.clock()
        return Trader(
            sender=Sender(
                user=MASTER,
                venue=self.venue,
                store=self.store,
                permit=self.permit,
                lease=self.lease,
                clock=clock,
                account=account,
                patience_ms=SEND_PATIENCE_MS,
                hooks=hooks,
                stream=self.stream,
            ),
            own_records=OwnOrderRecords(self.store, self.venue.name),
            records=self.records,
            emitter=self.emitter,
            book=self.book,
            mirror=self.mirror,
            clock=clock,
            tasks=tasks,
            new_id=lambda: str(uuid4()),
            stops=self.stops,
            hooks=hooks,
        )

    def cycle(
        self, trader: Trader, *, live: bool = False, number: int = 0, exits: Exits | None = None, **settings: object
    ) -> Cycle:
        """A cycle of one of the strategies, by default the sample on bitcoin alone."""
        one = {} if "strategies" in settings else {"strategy": "sma-cross"}
        chosen = StrategySettings.model_validate({"symbols": ["BTC/USD"], **one, **settings})
        slot = chosen.slots()[number]
        return Cycle(
            venue=self.venue,
            slot=slot,
            runner=open_runner(slot, config=None, budget=1.0, faults=self.faults),
            settings=chosen,
            book=self.book,
            mirror=self.mirror,
            trader=trader,
            exits=exits or self.exits(trader),
            records=self.master,
            clock=self.time.clock(),
            live=live,
        )

    def exits(self, trader: Trader, stops: VenueStops | None = None) -> Exits:
        """The sales of a trader, at market."""
        return Exits(book=self.book, mirror=self.mirror, trader=trader, slippage_bps=None, stops=stops)

    def venue_stops(self, trader: Trader, *, enabled: bool = True) -> VenueStops:
        """The stops that rest at the venue."""
        return VenueStops(
            venue=self.venue,
            book=self.book,
            mirror=self.mirror,
            trader=trader,
            store=self.store,
            stops=self.stops,
            clock=self.time.clock(),
            enabled=enabled,
        )

    def exit_watch(self, trader: Trader, exits: Exits | None = None, stops: VenueStops | None = None) -> ExitWatch:
        """The watch over the exit plans of all that is held."""
        return ExitWatch(
            venue=self.venue.name,
            book=self.book,
            trader=trader,
            exits=exits or self.exits(trader),
            records=self.records,
            master=self.master,
            clock=self.time.clock(),
            stops=stops,
        )


@dataclass
class Rig:
    """What outlives a process: Redis, the venue's account, the market and the time."""

    bus: Bus
    time: SteppedTime = field(default_factory=SteppedTime)
    market: FakeMarket = field(default_factory=lambda: FakeMarket({BTC: Decimal(60_000)}))
    account: FakeAccount = field(default_factory=lambda: FakeAccount({"USD": Decimal(100_000)}))
    lease: Lease | None = None
    faults: Faults = field(default_factory=Faults)
    crash_points: CrashPoints = field(default_factory=CrashPoints)
    baseline: Baseline = Baseline.SEPARATE
    keeps_stops: bool = False
    """Whether `stop_at_venue` is on."""
    at: str = VenueName.KRAKEN

    def __post_init__(self) -> None:
        """Have the account behave as its venue does."""
        self.account.replays = self.account.replays or not VENUE_FACTS[self.at].takes_nonces

    async def start(self) -> Run:
        """Start a process of the master; an earlier one loses the lease to it."""
        if self.lease is not None:
            await self.lease.release()
        lease = await acquire(self.bus, MASTER, str(uuid4()))
        assert lease is not None
        self.lease = lease
        nonces = NonceCounter(self.bus, lease, MASTER, "f" * 16, floor=self.time.now * 1000)
        clock = self.time.clock()
        at = self.at
        venue = self.open_venue(nonces)
        records, signals, master = Records(self.bus), SignalLog(self.bus), MasterRecords(self.bus, lease, at)
        store = OrderStore(self.bus, lease, MASTER, at, positions=keys.strategy(MASTER, at))
        mirror = AccountMirror(venue, records, clock, symbols=[BTC], currency="USD")
        await mirror.connect()
        book = await open_book(master, signals, at, faults=self.faults, now=self.time.now)
        holdings = await read_holdings(self.bus, at)
        stops = RestingStops(venue, clock, self.faults, wanted=self.keeps_stops)
        check = AccountCheck(
            book=book,
            mirror=mirror,
            records=master,
            clock=clock,
            venue=at,
            baseline=self.baseline,
            apart={coin: each.apart.amount for coin, each in holdings.items()},
            locked=stops.lock,
        )
        copies = OwnCopies(self.bus, at, clock, self.faults)
        emitter = SignalEmitter(
            venue=venue,
            signals=signals,
            records=records,
            master=master,
            lease=lease,
            book=book,
            mirror=mirror,
            check=check,
            copies=copies,
            clock=clock,
            freshness_ms=30_000,
            faults=self.faults,
            crash_points=self.crash_points,
        )
        trust = StreamTrust(clock, self.faults, MASTER)
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
            currency="USD",
            strategies=["sma-cross"],
            faults=self.faults,
            health=ScanHealth(self.faults, clock, at),
            trust=trust,
        )
        return Run(
            lease,
            nonces,
            venue,
            mirror,
            book,
            watcher,
            emitter,
            store,
            records,
            master,
            self.time,
            self.faults,
            self.crash_points,
            trust,
            stops,
        )

    def open_venue(self, nonces: NonceCounter) -> FakeVenue:
        """Connect a process to the account."""
        return FakeVenue(self.market, self.account, clock=self.time.clock().now, nonces=nonces, name=self.at)

    async def someone_trades(self, run: Run, side: Side, size: str, symbol: Symbol = BTC) -> None:
        """Trade on the account past the strategy, as a person would."""
        quantity = btc(size) if symbol == BTC else type(btc(size))(Decimal(size), symbol.base)
        name = str(uuid4()) if self.account.replays else ""  # where an id is known for ever, each order has its own
        request = OrderRequest(name, symbol, side, quantity, None, self.time.now + 60_000)
        await run.venue.place(request, run.begin)

    async def signals(self) -> list[Signal]:
        """Read the signal stream, oldest first."""
        rows = read_entries(keys.SIGNALS, await self.bus.do("XRANGE", keys.SIGNALS, "-", "+"))
        return [SignalMessage.parse(entry.fields).to_domain() for entry in rows]

    async def reports(self) -> list[ReportMessage]:
        """Read the master's reports, oldest first."""
        stream = keys.reports(MASTER)
        rows = read_entries(stream, await self.bus.do("XRANGE", stream, "-", "+"))
        return [ReportMessage.parse(entry.fields) for entry in rows]

    async def record(self, order_id: str) -> dict[str, str]:
        """Read the record of one of the master's orders."""
        return pairs(await self.bus.do("HGETALL", keys.order(MASTER, order_id)))


def buy(size: str = "0.1") -> OrderPlan:
    """A market order."""
    return OrderPlan(Side.BUY, btc(size), None, "test")


def sell(size: str = "0.1") -> OrderPlan:
    """A market order."""
    return OrderPlan(Side.SELL, btc(size), None, "test")


async def until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    """Let the other tasks run until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for are values that tell nobody when they change
            await asyncio.sleep(0.001)
