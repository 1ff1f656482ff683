"""One user's context on a fake venue and a real Redis, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.books.rebuilder import Rebuilder
from services.executor.account.context import AccountContext
from services.executor.account.context_factory import LANE_PATIENCE_MS
from services.executor.account.faults import AccountFaults
from services.executor.account.keys.key_memory import KeyMemory
from services.executor.account.names import AssetNames
from services.executor.orders.dispatcher import Dispatcher
from services.executor.orders.send_hooks import ExecutorHooks
from services.executor.orders.set_aside import SetAside
from services.executor.protection.housekeeper import Task
from services.executor.protection.own_exits import OwnExits
from services.executor.protection.reconciler import Reconciler
from services.executor.streams.account_stream import AccountStream
from services.executor.streams.stream_places import NoLimit, StreamPlaces
from services.executor.turn.send_priority import SendPriority
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.connection import Bus
from shared.bus.flow.streams import Group, flatten, read_entries
from shared.bus.order.orders import OrderStore
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.messages import OrderMessage, ReportMessage
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Copy, Decision, Kind, Side, order_id
from shared.domain.position import Position
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.execution.attempt import Attempt
from shared.execution.clock import AccountClock
from shared.execution.following.streamed_orders import StreamedOrders
from shared.execution.recovery.venue_history import VenueHistory
from shared.execution.sender import Sender
from shared.runtime.crash_points import CrashPoints
from shared.venues.factory import RateBudget
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.fake_stream import FakeStream
from tests.integration.execution.stepped_time import SteppedTime
from tests.support.examples import BTC_USD, a_policy, btc, btc_price, usd
from tests.support.leases import take_over

USER = "alice"
PATIENCE = 60.0


@dataclass
class Clock:
    """A wall clock (epoch ms) that stands until it is moved."""

    now: int = 0

    measured: ClassVar = True

    def __call__(self) -> int:
        return self.now

    def earliest(self) -> int:
        return self.now

    def heard(self, date: str, age: str, sent: float, received: float) -> None:
        """Learn nothing: this is the venue's own clock."""

    def note(self, at: int, resolution_ms: int, sent: float, received: float) -> None:
        """Learn nothing."""


@dataclass
class Owner:
    """One process's turn: dropping it is a crash, nothing is tidied up."""

    lease: Lease
    context: AccountContext
    venue: FakeVenue
    dispatcher: Dispatcher


@dataclass
class Rig:
    """What outlives a process: Redis, the venue's account, the market and the time."""

    bus: Bus
    clock: Clock | SteppedTime = field(default_factory=Clock)
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    crash_points: CrashPoints = field(default_factory=CrashPoints)
    market: FakeMarket = field(default_factory=lambda: FakeMarket({BTC_USD: Decimal(60_000)}))
    account: FakeAccount = field(default_factory=lambda: FakeAccount({"USD": Decimal(10_000)}))
    faults: Faults = field(default_factory=Faults)
    stream: FakeStream | None = None
    """The account's private stream, for turns: `FakeStream(rig.account)` shows what the venue does."""
    at: str = VenueName.KRAKEN
    policy: UserPolicy = field(default_factory=lambda: a_policy(USER))

    async def start(self) -> Owner:
        """Start a process that serves alice, in place of any earlier one; its account is ready."""
        lease = await take_over(self.bus, USER, str(uuid4()))
        self.clock.now = max(self.clock.now, lease.since)
        nonces = NonceCounter(self.bus, lease, USER, "f" * 16, floor=self.account.last_nonce)
        venue = self.open_venue(nonces)
        records = Records(self.bus)
        faults = AccountFaults(self.faults, USER, self.at)
        attempts: dict[str, Attempt] = {}
        streamed = StreamedOrders(
            USER,
            self.steady,
            is_own=attempts.__contains__,
            missed=lambda: faults.count(FaultKind.VENUE_STREAM),
        )
        memory = KeyMemory(RateBudget(None))
        keeper = AccountKeeper(USER, venue, records, self.clock, memory, faults=faults, stream=streamed)
        streamed.funds_changed = keeper.refresh_soon
        clock, priority = AccountClock(self.clock, self.steady, self.sleep), SendPriority()
        sender = Sender(
            user=USER,
            venue=venue,
            store=OrderStore(self.bus, lease, USER, self.at),
            permit=None if venue.replays else nonces,
            lease=lease,
            clock=clock,
            account=keeper,
            patience_ms=LANE_PATIENCE_MS,
            attempts=attempts,
            hooks=ExecutorHooks(priority, self.crash_points, faults),
            stream=streamed,
        )
        names = AssetNames(venue)
        context = AccountContext(
            policy=self.policy,
            sender=sender,
            records=records,
            account=keeper,
            clock=self.clock,
            history=VenueHistory(venue, keeper, clock),
            names=names,
            aside=SetAside(USER, names),
            faults=faults,
            priority=priority,
            crash_points=self.crash_points,
            stream=AccountStream(streamed, venue, keeper, StreamPlaces(NoLimit()), self.bus, self.clock, USER),
        )
        await keeper.read()
        self.clock.now += 10_000  # by both clocks: what is listed from now on proves something
        keeper.connected_steady = self.steady() - 10
        return Owner(lease, context, venue, Dispatcher(context))

    def open_venue(self, nonces: NonceCounter) -> FakeVenue:
        """Connect a process to the account."""
        venue = FakeVenue(self.market, self.account, clock=self.clock, nonces=nonces, name=self.at)
        venue.stream = self.stream
        return venue

    def entry(self, size: str = "0.05", limit: str = "60300", signal: str = "", *, fresh_for: int = 30_000) -> Decision:
        """Decide to copy a buy, right now; `fresh_for` in ms."""
        terms = Copy(btc(size), None, btc_price(limit), self.clock.now + fresh_for)
        return self._decision(signal, Kind.ENTRY, terms)

    def close(self, fraction: str = "1") -> Decision:
        """Decide to copy a close of a fraction of what is held, right now."""
        return self._decision("", Kind.EXIT, Copy(None, Decimal(fraction), None, None))

    def _decision(self, signal: str, kind: Kind, copy: Copy) -> Decision:
        signal_id = signal or str(uuid4())
        return Decision(
            id=order_id(signal_id, USER, "kraken"),
            signal_id=signal_id,
            user=USER,
            venue="kraken",
            symbol=BTC_USD,
            side=Side.BUY if kind is Kind.ENTRY else Side.SELL,
            kind=kind,
            copy=copy,
            reason="scaled",
            master_equity=usd(10_000),
            user_equity=usd(5_000),
            signal_at=self.clock.now,
            emitted_at=self.clock.now,
        )

    async def hand_out(self, decision: Decision) -> str:
        """Write a decision into alice's stream and hand it out to nobody in particular; answers its entry id."""
        entry_id = await self.append(decision)
        await Group(self.bus, keys.EXECUTOR).read_new([keys.orders(USER)], 100, 1)
        return entry_id

    async def append(self, decision: Decision) -> str:
        """Write a decision into alice's stream."""
        await Group(self.bus, keys.EXECUTOR).ensure([keys.orders(USER)])
        self.clock.now += 1
        fields = flatten(OrderMessage.from_domain(decision).fields())
        return str(await self.bus.do("XADD", keys.orders(USER), f"{self.clock.now}-0", *fields))

    async def carry(self, owner: Owner, decision: Decision, *, redelivered: bool = False) -> ReportMessage:
        """Have a decision carried out to its end; answers the report."""
        entry_id = await self.hand_out(decision)
        async with asyncio.timeout(PATIENCE):
            await owner.dispatcher.run(decision, entry_id, redelivered=redelivered)
        (report,) = [report for report in await self.reports() if report.order_id == decision.id]
        return report

    async def begin(self, owner: Owner, decision: Decision) -> asyncio.Task[bool]:
        """Have a decision carried out in the background."""
        entry_id = await self.hand_out(decision)
        return asyncio.create_task(owner.dispatcher.run(decision, entry_id, redelivered=False))

    async def reports(self) -> list[ReportMessage]:
        """Read alice's reports, oldest first."""
        rows = await self.bus.do("XRANGE", keys.reports(USER), "-", "+")
        return [ReportMessage.parse(entry.fields) for entry in read_entries(keys.reports(USER), rows)]

    async def record(self, decision: Decision) -> dict[str, str]:
        """Read the record of an order."""
        return pairs(await self.bus.do("HGETALL", keys.order(USER, decision.id)))

    async def position(self) -> Position | None:
        """Read what alice holds from copying."""
        return await Records(self.bus).position(USER, "kraken", BTC_USD)

    async def pending(self) -> int:
        """Count what was handed out and not acknowledged."""
        return int((await self.bus.do("XPENDING", keys.orders(USER), keys.EXECUTOR))[0])

    async def switch(self, mode: str) -> None:
        """Set everybody's kill switch."""
        await self.bus.do("HSET", keys.CONTROL, "mode", mode, "reason", "a test")


def reconciler(context: AccountContext, busy: Callable[[], Collection[Symbol]]) -> Reconciler:
    """Reconcile an account; `busy` returns the symbols with work under way."""
    return Reconciler(
        context.positions, context.account, context.venue, context.names, context.faults, context.clock, busy
    )


def rebuilder(bus: Bus, context: AccountContext) -> Rebuilder:
    """Rebuild an account's books."""
    return Rebuilder(
        bus, context.user, context.venue, context.store, context.account, context.books.funds, context.clock
    )


def own_exits(owner: Owner, queues: SymbolQueues[Task]) -> OwnExits:
    """The own exits of an owner's account."""
    context = owner.context
    return OwnExits(
        context.positions, context.store, context.names, context.faults, context.clock, owner.dispatcher, queues
    )


async def until(condition: Callable[[], Awaitable[object]], what: str) -> None:
    """Let other tasks run until a condition holds; what lies in Redis tells nothing else to wait on."""
    for _ in range(int(PATIENCE * 100)):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it never came to that: {what}")


async def crash(task: asyncio.Task[Any]) -> None:
    """End a task where it stands."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
