"""Two accounts of the master at one venue: each signals under its own name and owner, and neither sees what is the other's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from uuid import uuid4

import pytest

from services.master_strategy.app import claim_master_key
from services.master_strategy.clock import Clock, system_clock
from services.master_strategy.leadership import NO_KEY, Leadership
from services.master_strategy.session import MasterSession
from services.master_strategy.venue_sessions import VenueSessions
from services.master_strategy.venue_state import MasterState
from shared.bus.connection import Bus
from shared.bus.master.master_account import read_all_uncopied
from shared.bus.master.master_places import MasterPlace, place_label, read_master_owners, read_master_places
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.bus.users.user_index import scan_users
from shared.config.keys.secrets import ApiKey
from shared.contracts import keys
from shared.domain.account import MASTER, AccountState, master_owner
from shared.domain.fault import FaultKind, Faults
from shared.domain.master_account import UncopiedReason
from shared.domain.order import Kind, Side
from shared.domain.signal import Signal
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.ledger.open_issues import read_unresolved
from shared.ledger.status import read_system
from shared.strategies.settings import StrategySettings
from shared.venues.errors import Rejected
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.port import OrderRequest
from tests.integration.master_strategy.test_both_accounts import emitted, wait
from tests.unit.master_strategy.values import BTC, btc, rising

KRAKEN = VenueName.KRAKEN
SWING = master_owner("swing")
OWNERS = (MASTER, SWING)
ETH = Symbol.parse("ETH/USD")


class OneVenue:
    """The master's two accounts at Kraken, and the processes that serve them, one after another, in this test's loop."""

    def __init__(self, bus: Bus, strategy: str = "none") -> None:
        self.settings = StrategySettings.model_validate(
            {"name": strategy, "symbols": [str(BTC), str(ETH)], "poll_seconds": 0.2, "entry_gap_seconds": 0}
        )
        self.market = FakeMarket({BTC: Decimal(60_000), ETH: Decimal(3_000)})
        self.accounts = {owner: FakeAccount({"USD": Decimal(100_000)}) for owner in OWNERS}
        self.opened: dict[str, list[FakeVenue]] = {owner: [] for owner in OWNERS}
        self.names = {MASTER: "", SWING: "swing"}
        self.symbols: dict[str, tuple[Symbol, ...]] = {SWING: ()}
        self.clock = Clock(system_clock().now, lambda seconds: asyncio.sleep(seconds / 20))
        self.heartbeat = Heartbeat(Records(bus), "master-strategy", "one")
        self.bus = bus

    def trade(self, owner: str, side: Side, size: str, symbol: Symbol = BTC) -> None:
        """Trade as a person would, beside Shoal."""
        person = FakeVenue(self.market, self.accounts[owner], clock=self.clock.now, name=KRAKEN)
        quantity = btc(size) if symbol == BTC else type(btc("1"))(Decimal(size), symbol.base)
        person._accept(OrderRequest(str(uuid4()), symbol, side, quantity, None, 0))

    @asynccontextmanager
    async def process(self, *owners: str, ready: bool = True) -> AsyncIterator[None]:
        """Run a process that serves these accounts, both by default; it steps down at the end."""
        state = MasterState(self.heartbeat)
        sessions = [self._sessions(owner, state) for owner in owners or OWNERS]
        leadership = Leadership(
            bus=self.bus, instance="one", venues=sessions, heartbeat=self.heartbeat, clock=self.clock
        )
        task = asyncio.create_task(leadership.serve())
        try:
            await wait(lambda: all(each.tried.is_set() for each in sessions))
            await wait(lambda: not ready or "connecting" not in self.heartbeat.state)
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _sessions(self, owner: str, master: MasterState) -> VenueSessions:
        state = master.of(place_label(owner, KRAKEN))

        async def session(lease: Lease) -> None:
            assert lease.holder == owner
            nonces = NonceCounter(self.bus, lease, owner, owner[-5:] * 3, floor=self.clock.now() * 1000)
            account = self.accounts[owner]
            venue = FakeVenue(self.market, account, clock=self.clock.now, nonces=nonces, name=KRAKEN)
            self.opened[owner].append(venue)
            await MasterSession(
                bus=self.bus,
                lease=lease,
                venue=venue,
                nonces=nonces,
                settings=self.settings.of_account(traded=owner == SWING),
                state=state,
                faults=self.heartbeat.faults,
                clock=self.clock,
                new_id=lambda: str(uuid4()),
                live=False,
                subject=f"{owner} ({KRAKEN})",
                name=self.names[owner],
                symbols=self.symbols.get(owner, ()),
            ).run()

        return VenueSessions(
            name=KRAKEN,
            owner=owner,
            run_session=session,
            records=Records(self.bus),
            state=state,
            clock=self.clock,
            faults=self.heartbeat.faults,
            alone=False,
        )


@pytest.fixture
def master(bus: Bus) -> OneVenue:
    return OneVenue(bus)


def told(signals: Sequence[Signal]) -> list[tuple[str, str, str, Kind]]:
    return [(each.owner, each.leader, each.book, each.kind) for each in signals]


async def test_each_account_signals_under_its_own_name_and_owner(master: OneVenue, bus: Bus) -> None:
    """The first orders of both have the same id at the fake venue: their signals are two all the same."""
    async with master.process():
        master.trade(MASTER, Side.BUY, "0.1")
        await emitted(bus, 1)
        master.trade(SWING, Side.BUY, "0.3")
        await emitted(bus, 2)
        master.trade(SWING, Side.SELL, "0.15")
        signals = await emitted(bus, 3)
    assert told(signals) == [
        (MASTER, "kraken", "", Kind.ENTRY),
        (SWING, "swing", "swing", Kind.ENTRY),
        (SWING, "swing", "swing", Kind.EXIT),
    ]
    assert signals[0].master_order_id == signals[1].master_order_id
    assert len({each.id for each in signals}) == 3
    assert (signals[2].fraction, signals[2].position_after) == (Decimal("0.5"), btc("0.15"))
    held = {owner: (await Records(bus).positions(owner, KRAKEN))[BTC].size for owner in OWNERS}
    assert held == {MASTER: btc("0.1"), SWING: btc("0.15")}
    rows = await bus.do("XRANGE", keys.SIGNALS, "-", "+")
    assert ["owner" in fields for _, fields in ((row[0], row[1][::2]) for row in rows)] == [False, True, True]


async def test_a_restart_of_the_process_loses_no_fill_and_repeats_none(master: OneVenue, bus: Bus) -> None:
    async with master.process():
        for owner in OWNERS:
            master.trade(owner, Side.BUY, "0.2")
        await emitted(bus, 2)
    master.trade(SWING, Side.SELL, "0.05")
    assert await bus.do("EXISTS", keys.lease(MASTER), keys.lease(SWING)) == 0
    async with master.process():
        signals = await emitted(bus, 3)
        assert (signals[2].owner, signals[2].fraction) == (SWING, Decimal("0.25"))
        master.opened[SWING][-1].fail("closed_orders", KeyError("an unexpected answer"))
        await wait(lambda: len(master.opened[SWING]) == 3)
        for owner in OWNERS:
            master.trade(owner, Side.SELL, "0.1")
        await emitted(bus, 5)
    assert len(master.opened[MASTER]) == 2
    assert len(await emitted(bus, 5)) == 5


async def test_an_account_that_is_not_configured_any_more_is_parked_and_the_other_goes_on(
    master: OneVenue, bus: Bus
) -> None:
    async with master.process():
        pass
    async with master.process(MASTER):
        accounts = await Records(bus).accounts([(owner, KRAKEN) for owner in OWNERS])
    assert [(each.state, each.reason) for each in accounts if each] == [
        (AccountState.READY, ""),
        (AccountState.PARKED, NO_KEY),
    ]


async def test_what_shows_masters_sees_both_and_neither_is_a_user(master: OneVenue, bus: Bus) -> None:
    async with master.process():
        status = await read_system(bus)
        assert "master.swing at kraken: mirror only" in master.heartbeat.state or "trading" in master.heartbeat.state
    assert [(account.user, venue) for venue, account in status.master] == [(MASTER, KRAKEN), (SWING, KRAKEN)]
    assert MasterPlace(SWING, KRAKEN) in await read_master_places(bus)
    await bus.do("XADD", keys.reports(SWING), "*", "v", "1")
    await bus.do("HSET", keys.order(SWING, "o1"), "state", "unknown")
    await bus.do("HSET", keys.open_orders(SWING, KRAKEN), "o1", 1)
    assert await scan_users(bus) == []
    (order,) = await read_unresolved(bus, await read_master_owners(bus))
    assert (order.user, order.order_id) == (SWING, "o1")


async def test_an_entry_in_another_symbol_than_those_of_the_file_is_held_and_not_copied(
    master: OneVenue, bus: Bus
) -> None:
    master.symbols[SWING] = (BTC,)
    async with master.process():
        master.trade(SWING, Side.BUY, "1", ETH)
        master.trade(SWING, Side.BUY, "0.1")
        master.trade(MASTER, Side.BUY, "1", ETH)
        signals = await emitted(bus, 2)
        held = await Records(bus).positions(SWING, KRAKEN)
    assert {(each.owner, each.symbol) for each in signals} == {(SWING, BTC), (MASTER, ETH)}
    (row,) = (await read_all_uncopied(bus, KRAKEN, SWING)).values()
    assert (row.reason, held[ETH].size.amount) == (UncopiedReason.ANOTHER_SYMBOL, Decimal(1))
    assert await read_all_uncopied(bus, KRAKEN) == {}


async def test_a_strategy_trades_the_further_account_with_its_own_records_and_nonces(bus: Bus) -> None:
    master = OneVenue(bus, "sma-cross")
    master.market.candles[BTC] = list(rising())
    async with master.process():
        (signal,) = await emitted(bus, 1)
        await wait(lambda: master.accounts[SWING].orders)
        async with asyncio.timeout(30):  # the signal goes out before the order is settled
            while await bus.do("XLEN", keys.reports(SWING)) == 0:  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.01)
    assert (signal.owner, signal.source) == (SWING, "strategy")
    assert master.accounts[MASTER].orders == []
    for pattern, count in ((keys.order(SWING, "*"), 1), (keys.order(MASTER, "*"), 0), (keys.nonce(SWING, "*"), 1)):
        assert len(set(await bus.scan(pattern))) == count
    (order,) = await bus.scan(keys.order(SWING, "*"))
    assert await bus.do("HGET", order, "user") == SWING
    assert await bus.do("HLEN", keys.strategy(SWING, KRAKEN)) == 1
    assert await bus.do("XLEN", keys.reports(SWING)) == 1


async def test_a_further_account_waits_while_the_usual_one_still_has_its_name(master: OneVenue, bus: Bus) -> None:
    master.names[MASTER] = "swing"
    async with master.process(MASTER):
        master.trade(MASTER, Side.BUY, "0.1")
        await emitted(bus, 1)
    master.names[MASTER] = ""  # its file has a key now: it names a further account
    async with master.process(ready=False):
        await wait(lambda: "still has the name swing" in master.heartbeat.state)
        master.trade(SWING, Side.BUY, "0.1")
        master.trade(MASTER, Side.SELL, "0.1")
        signals = await emitted(bus, 2)
    assert told(signals) == [(MASTER, "swing", "swing", Kind.ENTRY), (MASTER, "swing", "swing", Kind.EXIT)]
    async with master.process():
        assert "still has the name" not in master.heartbeat.state


async def test_the_usual_account_does_not_take_a_name_whose_account_holds_something(master: OneVenue, bus: Bus) -> None:
    async with master.process():
        master.trade(SWING, Side.BUY, "0.1")
        await emitted(bus, 1)
    master.names[MASTER] = "swing"
    async with master.process(MASTER):
        reasons = [each.reason for each in master.heartbeat.faults.standing if each.kind is FaultKind.USER_FILE]
        master.trade(MASTER, Side.BUY, "0.1")
        signals = await emitted(bus, 2)
    assert "the account of swing at kraken holds 0.1 BTC" in reasons[0]
    assert signals[1].master == ""


async def test_a_key_of_another_account_of_the_master_is_refused(bus: Bus) -> None:
    key, faults = ApiKey("one-key", "secret"), Faults()
    leases = [await acquire(bus, owner, "one") for owner in OWNERS]
    usual, further = (lease for lease in leases if lease is not None)
    await claim_master_key(bus, key, usual, faults, MASTER)
    with pytest.raises(Rejected, match="is also that of master: every account needs its own"):
        await claim_master_key(bus, key, further, faults, SWING)
    await claim_master_key(bus, key, usual, faults, MASTER)  # the usual account goes on: exits depend on it
