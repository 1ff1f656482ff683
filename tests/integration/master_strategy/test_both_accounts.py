"""Whole sessions of one process on an account at each venue: both signal, and neither sees or hides what is the other's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.master_strategy.clock import Clock, system_clock
from services.master_strategy.leadership import Leadership
from services.master_strategy.session import MasterSession
from services.master_strategy.trading.own_order import own_id
from services.master_strategy.venue_sessions import VenueSessions
from services.master_strategy.venue_state import MasterState
from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.config.strategy_choice import strategy_venue
from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.contracts.messages import SignalMessage
from shared.domain.account import MASTER, AccountState
from shared.domain.fault import FaultKind
from shared.domain.order import Kind, Side, order_id
from shared.domain.signal import Signal
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES, VenueName
from shared.strategies.settings import StrategySettings
from shared.venues.errors import Refusal, Rejected
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.port import OmittedRow, OrderRequest, RowReason
from tests.integration.execution.stepped_time import SteppedTime
from tests.unit.master_strategy.values import BTC, btc, rising

COINBASE, KRAKEN = VenueName.COINBASE, VenueName.KRAKEN
PATIENCE = 60.0


class TwoAccounts:
    """One process of the master in this test's loop, on a fake venue of each kind. Its seconds are short."""

    def __init__(self, bus: Bus, strategy: str = "none") -> None:
        self.settings = StrategySettings.model_validate(
            {"name": strategy, "symbols": [str(BTC)], "poll_seconds": 0.2, "entry_gap_seconds": 0}
        )
        self.begun: list[tuple[str, set[str]]] = []
        """The sessions in the order in which they began, each with the accounts that had been tried by then."""
        self.markets: dict[str, FakeMarket] = {name: FakeMarket({BTC: Decimal(60_000)}) for name in VENUES}
        self.accounts: dict[str, FakeAccount] = {
            name: FakeAccount({"USD": Decimal(100_000)}, replays=name is COINBASE) for name in (COINBASE, KRAKEN)
        }
        self.opened: dict[str, list[FakeVenue]] = {name: [] for name in VENUES}
        self.names: dict[str, str] = {}
        """The names of masters by venue, as their files give them at the next session."""
        self.heartbeat = Heartbeat(Records(bus), "master-strategy", "one")
        self.clock = Clock(system_clock().now, lambda seconds: asyncio.sleep(seconds / 20))
        self._bus = bus
        self._state = MasterState(self.heartbeat)
        self.sessions = [self._sessions(name) for name in self.accounts]
        self.leadership = Leadership(
            bus=bus, instance="one", venues=self.sessions, heartbeat=self.heartbeat, clock=self.clock
        )

    def trade(self, name: str, side: Side, size: str, client_id: str = "", symbol: Symbol = BTC) -> None:
        """Trade as a person would, beside Shoal."""
        person = FakeVenue(self.markets[name], self.accounts[name], clock=self.clock.now, name=name)
        person._accept(OrderRequest(client_id or str(uuid4()), symbol, side, btc(size), None, 0))

    def _sessions(self, name: str) -> VenueSessions:
        state = self._state.of(name)

        async def session(lease: Lease) -> None:
            self.begun.append((name, {each.name for each in self.sessions if each.tried.is_set()}))
            counter = NonceCounter(self._bus, lease, MASTER, "f" * 16, floor=self.clock.now() * 1000)
            nonces = None if self.accounts[name].replays else counter
            venue = FakeVenue(
                self.markets[name],
                self.accounts[name],
                clock=self.clock.now,
                nonces=nonces,
                name=name,
            )
            self.opened[name].append(venue)
            await MasterSession(
                bus=self._bus,
                lease=lease,
                venue=venue,
                nonces=nonces,
                settings=self.settings.of_account(traded=name == strategy_venue(self.settings.venue, VENUES)),
                state=state,
                faults=self.heartbeat.faults,
                clock=self.clock,
                new_id=lambda: str(uuid4()),
                live=False,
                subject=f"{MASTER} ({name})",
                name=self.names.get(name, ""),
            ).run()

        return VenueSessions(
            name=name,
            run_session=session,
            records=Records(self._bus),
            state=state,
            clock=self.clock,
            faults=self.heartbeat.faults,
            alone=False,
        )


@pytest.fixture
async def master(bus: Bus) -> AsyncIterator[TwoAccounts]:
    made = TwoAccounts(bus)
    async for each in running(made):
        yield each


async def running(master: TwoAccounts) -> AsyncIterator[TwoAccounts]:
    task = asyncio.create_task(master.leadership.serve())
    try:
        await wait(lambda: "coinbase: " in master.heartbeat.state and "kraken: " in master.heartbeat.state)
        await wait(lambda: "connecting" not in master.heartbeat.state)
        yield master
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def phase(master: TwoAccounts) -> str:
    return str(master.heartbeat.phase)


async def wait(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what is waited for are values that tell nobody when they change
            await asyncio.sleep(0.02)


async def emitted(bus: Bus, count: int) -> Sequence[Signal]:
    """Wait for so many signals; return them, oldest first."""
    async with asyncio.timeout(PATIENCE):
        while len(found := await SignalLog(bus).latest(100)) < count:  # noqa: ASYNC110  # a stream tells nobody
            await asyncio.sleep(0.02)
    return [SignalMessage.parse(each.fields).to_domain() for each in reversed(found)]


async def test_kraken_begins_when_coinbase_has_connected(master: TwoAccounts) -> None:
    assert master.begun == [("coinbase", set()), ("kraken", {"coinbase"})]


async def test_both_signal_and_each_position_is_its_own(master: TwoAccounts, bus: Bus) -> None:
    master.trade(KRAKEN, Side.BUY, "0.1")
    await emitted(bus, 1)
    master.trade(COINBASE, Side.BUY, "0.3")
    await emitted(bus, 2)
    master.trade(COINBASE, Side.SELL, "0.15")
    signals = await emitted(bus, 3)
    assert [(each.venue, each.leader, each.kind) for each in signals] == [
        ("kraken", "kraken", Kind.ENTRY),
        ("coinbase", "coinbase", Kind.ENTRY),
        ("coinbase", "coinbase", Kind.EXIT),
    ]
    assert (signals[2].fraction, signals[2].position_after) == (Decimal("0.5"), btc("0.15"))
    held = {venue: await Records(bus).positions(MASTER, venue) for venue in VENUES}
    assert {venue: each[BTC].size for venue, each in held.items()} == {KRAKEN: btc("0.1"), COINBASE: btc("0.15")}
    assert all([await SignalLog(bus).fill_cursor(MASTER, venue) for venue in VENUES])


async def test_a_key_refused_at_one_venue_parks_that_account_and_what_it_traded_is_told_later(
    master: TwoAccounts, bus: Bus
) -> None:
    master.opened[COINBASE][-1].fail("closed_orders", Rejected("Unauthorized", Refusal.AUTH))
    await wait(lambda: "coinbase: parked: Unauthorized" in master.heartbeat.state)
    accounts = await Records(bus).accounts([(MASTER, venue) for venue in (COINBASE, KRAKEN)])
    assert [each.state for each in accounts if each] == [AccountState.PARKED, AccountState.READY]
    master.trade(KRAKEN, Side.BUY, "0.1")
    master.trade(COINBASE, Side.BUY, "0.2")
    signals = await emitted(bus, 2)
    assert {(each.venue, each.base_size) for each in signals} == {("kraken", btc("0.1")), ("coinbase", btc("0.2"))}
    assert (len(master.opened[COINBASE]), len(master.opened[KRAKEN])) == (2, 1)


async def test_a_crash_of_one_session_loses_no_fill_of_either_and_tells_none_twice(
    master: TwoAccounts, bus: Bus
) -> None:
    for name in VENUES:
        master.trade(name, Side.BUY, "0.1")
    await emitted(bus, 2)
    master.opened[COINBASE][-1].fail("closed_orders", KeyError("an unexpected answer"))
    await wait(lambda: len(master.opened[COINBASE]) == 2)
    for name in VENUES:
        master.trade(name, Side.SELL, "0.1")
    signals = await emitted(bus, 4)
    assert sorted((each.venue, each.kind) for each in signals) == [
        ("coinbase", Kind.ENTRY),
        ("coinbase", Kind.EXIT),
        ("kraken", Kind.ENTRY),
        ("kraken", Kind.EXIT),
    ]
    assert len(master.opened[KRAKEN]) == 1
    assert [each for each in master.heartbeat.faults.standing if each.kind is FaultKind.TASK] == []


async def test_a_new_session_at_one_venue_hides_no_fault_of_the_other(master: TwoAccounts) -> None:
    row = OmittedRow("OBAD", RowReason.UNKNOWN_PAIR, "the pair X", "", master.clock.now(), "X")
    master.accounts[KRAKEN].left_out.append(row)

    def rows() -> list[str]:
        return [each.subject for each in master.heartbeat.faults.standing if each.kind is FaultKind.MASTER_ROW]

    await wait(rows)
    master.opened[COINBASE][-1].fail("closed_orders", Rejected("Unauthorized", Refusal.AUTH))
    await wait(lambda: len(master.opened[COINBASE]) == 2 and master.opened[COINBASE][-1].calls["closed_orders"] > 1)
    assert rows() == ["kraken OBAD"]


async def test_an_equity_that_one_account_does_not_know_leaves_the_others_known(master: TwoAccounts, bus: Bus) -> None:
    master.accounts[COINBASE].unreadable_balances.add("XYZ")
    master.trade(COINBASE, Side.BUY, "0.1")
    await emitted(bus, 1)
    await wait(lambda: [each for each in master.heartbeat.faults.standing if each.kind is FaultKind.EQUITY])
    master.trade(KRAKEN, Side.BUY, "0.1")
    signals = await emitted(bus, 2)
    assert [each.subject for each in master.heartbeat.faults.standing] == ["master (coinbase)"]
    assert signals[1].master_equity is not None


async def test_the_copy_of_a_signal_of_the_other_account_is_recognised_without_its_record(
    master: TwoAccounts, bus: Bus
) -> None:
    """Case C1: a user follows the master's Kraken account at Coinbase, with a key of the master's own Coinbase account."""
    await bus.do("XADD", keys.orders("alice"), "*", "v", "1")
    master.trade(KRAKEN, Side.BUY, "0.1")
    [signal] = await emitted(bus, 1)
    master.trade(COINBASE, Side.BUY, "0.05", order_id(signal.id, "alice", COINBASE))
    async with asyncio.timeout(PATIENCE):
        while await bus.do("HGET", keys.control("alice"), "mode") != "halt":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert len(await emitted(bus, 1)) == 1


async def test_the_strategy_trades_one_account_and_the_other_is_mirrored(bus: Bus) -> None:
    master = TwoAccounts(bus, "sma-cross")
    for market in master.markets.values():
        market.candles[BTC] = list(rising())
    with capture_logs() as logs:
        async for _ in running(master):
            master.trade(COINBASE, Side.BUY, "0.01")
            signals = await emitted(bus, 2)
            assert phase(master) == Phase.OPEN
            master.opened[KRAKEN][-1].fail("closed_orders", Rejected("EGeneral:Temporary lockout", Refusal.LOCKED))
            await wait(lambda: "kraken: parked" in master.heartbeat.state)
            assert phase(master) == Phase.MIRROR, "no strategy trades now"
    assert {(each.venue, each.source) for each in signals} == {("kraken", "strategy"), ("coinbase", "account")}
    assert [len(account.orders) for account in master.accounts.values()] == [1, 1]
    assert [line["venue"] for line in logs if line["event"] == "MASTER (mirror only)"] == ["coinbase"]
    connected = [line["event"] for line in logs if str(line["event"]).startswith("MASTER ACCOUNT: TRADING")]
    assert connected == ["MASTER ACCOUNT: TRADING (Broker: COINBASE)", "MASTER ACCOUNT: TRADING (Broker: KRAKEN)"]


@pytest.mark.parametrize("arrives", [2.0, 5.0])
async def test_a_lost_order_of_a_predecessor_that_arrives_late_is_not_bought_again(bus: Bus, arrives: float) -> None:
    """Nothing voids at such a venue what is under way, and Redis has lost the record of it."""
    lease = await acquire(bus, MASTER, "one")
    assert lease is not None
    time, market = SteppedTime(), FakeMarket({BTC: Decimal(60_000)})
    account = FakeAccount({"USD": Decimal(100_000)}, replays=True)
    market.candles[BTC] = list(rising())
    predecessor = FakeVenue(market, account, clock=time, name=COINBASE)
    sent = OrderRequest(own_id(str(uuid4()), "sma-cross"), BTC, Side.BUY, btc("0.05"), None, 0)
    time.at(time.steady + arrives, lambda: predecessor._accept(sent))
    heartbeat = Heartbeat(Records(bus), "master-strategy", "one")
    session = MasterSession(
        bus=bus,
        lease=lease,
        venue=FakeVenue(market, account, clock=time, name=COINBASE),
        nonces=None,
        settings=StrategySettings.model_validate({"strategy": "sma-cross", "symbols": [str(BTC)]}),
        state=MasterState(heartbeat).of(COINBASE),
        clock=time.clock(),
        new_id=lambda: str(uuid4()),
        live=False,
    )
    end = time.steady + 60
    task = asyncio.create_task(session.run())
    await wait(lambda: time.steady > end or task.done())
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert [order.client_order_id for order in account.orders] == [sent.client_order_id]
