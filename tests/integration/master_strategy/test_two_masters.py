"""One process, one lease, an account at each venue: they connect in order, and what one venue does does not stop the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from services.copy_engine.readiness import read_readiness
from services.master_strategy.leadership import Leadership
from services.master_strategy.venue_sessions import VenueSessions
from services.master_strategy.venue_state import MasterState, VenueState
from shared.bus.connection import Bus
from shared.bus.errors import BusRefused, BusUnavailable
from shared.bus.ownership.lease import Lease
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.domain.account import FIRST_CONNECT, MASTER, AccountState
from shared.domain.fault import FaultKind
from shared.venues.errors import Refusal, Rejected
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.master_strategy.rig import until

VENUES = ("coinbase", "kraken")
PATIENCE = 30.0


class Venue:
    """Plays the sessions of one venue: each start is noted, and waits until it may connect, or what is queued happens."""

    def __init__(self, bus: Bus, name: str, started: list[str], state: VenueState) -> None:
        self.name = name
        self.may_connect = asyncio.Event()
        self.failure: Exception | None = None
        self.ends = asyncio.Event()
        self.connected = asyncio.Event()
        self._bus = bus
        self._started = started
        self._state = state

    async def run(self, lease: Lease) -> None:
        del lease
        self._started.append(self.name)
        await self.may_connect.wait()
        if self.failure is not None:
            raise self.failure
        await self._bus.do(
            "HSET",
            keys.account(MASTER, self.name),
            *("v", "1", "user", MASTER, "venue", self.name, "state", "ready", "reason", ""),
            *("equity", "1000", "cash", "1000", "currency", "USD", "taker_fee", "0.01", "as_of", "1"),
        )
        self._state.connected()
        self._state.open(Phase.MIRROR)
        await self._state.publish("mirror only")
        self.connected.set()
        await self.ends.wait()
        self.ends.clear()
        raise BusUnavailable("Redis: the connection was lost")


class LongPauses(SteppedTime):
    """A stepped time in which a pause of minutes does not pass until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds > 120:
            await self.let_go.wait()
        await super().sleep(seconds)


class Process:
    """A process of the master with an account at both venues."""

    def __init__(self, bus: Bus, *, first_try: float = 600.0) -> None:
        self.started: list[str] = []
        self.heartbeat = Heartbeat(Records(bus), "master-strategy", "one")
        state = MasterState(self.heartbeat)
        time = self.time = LongPauses()
        states = {name: state.of(name) for name in VENUES}
        self.venues = {name: Venue(bus, name, self.started, states[name]) for name in VENUES}
        sessions = [
            VenueSessions(
                name=name,
                run_session=venue.run,
                records=Records(bus),
                state=states[name],
                clock=time.clock(),
                faults=self.heartbeat.faults,
                alone=False,
                first_try=first_try,
            )
            for name, venue in self.venues.items()
        ]
        self.leadership = Leadership(
            bus=bus, instance="one", venues=sessions, heartbeat=self.heartbeat, clock=time.clock()
        )


@pytest.fixture
async def process(bus: Bus) -> AsyncIterator[Process]:
    made = Process(bus)
    async with serving(made.leadership.serve):
        yield made


class Solo:
    """A process of the master with an account at Kraken alone."""

    def __init__(self, bus: Bus) -> None:
        self.started: list[str] = []
        heartbeat, time = Heartbeat(Records(bus), "master-strategy", "one"), SteppedTime()
        state = MasterState(heartbeat).of("kraken")
        self.kraken = Venue(bus, "kraken", self.started, state)
        sessions = VenueSessions(
            name="kraken", run_session=self.kraken.run, records=Records(bus), state=state, clock=time.clock()
        )
        self.leadership = Leadership(
            bus=bus, instance="one", venues=[sessions], heartbeat=heartbeat, clock=time.clock()
        )


@asynccontextmanager
async def serving(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def master_is_open(bus: Bus) -> bool:
    return (await read_readiness(bus, Records(bus), [])).master


async def told(bus: Bus, venue: str) -> tuple[str, str]:
    state, reason = await bus.do("HMGET", keys.account(MASTER, venue), "state", "reason")
    return AccountState(state), reason


async def test_they_connect_one_after_the_other_and_users_wait_for_both(process: Process, bus: Bus) -> None:
    coinbase, kraken = (process.venues[name] for name in VENUES)
    await until(lambda: process.started == ["coinbase"])
    assert not await master_is_open(bus)
    coinbase.may_connect.set()
    await asyncio.wait_for(coinbase.connected.wait(), PATIENCE)
    await until(lambda: process.started == ["coinbase", "kraken"])
    assert not await master_is_open(bus), "one is ready, the other has not been tried yet"
    kraken.may_connect.set()
    await asyncio.wait_for(kraken.connected.wait(), PATIENCE)
    assert await master_is_open(bus)
    assert process.heartbeat.state == "coinbase: mirror only; kraken: mirror only"


async def test_an_account_that_neither_connects_nor_fails_holds_nobody_up_for_ever(bus: Bus) -> None:
    process = Process(bus, first_try=0.2)
    process.venues["kraken"].may_connect.set()
    async with serving(process.leadership.serve):
        await asyncio.wait_for(process.venues["kraken"].connected.wait(), PATIENCE)
        assert process.started == ["coinbase", "kraken"]
        assert await master_is_open(bus)
        assert await told(bus, "coinbase") == (AccountState.CONNECTING, "not connected after 0.2 s")
        process.venues["coinbase"].may_connect.set()
        await asyncio.wait_for(process.venues["coinbase"].connected.wait(), PATIENCE)


async def test_who_has_to_pause_holds_nobody_up_when_redis_comes_back(process: Process, bus: Bus) -> None:
    """A lockout lasts a quarter of an hour, and the exits of the other account's users must not wait for it."""
    coinbase, kraken = (process.venues[name] for name in VENUES)
    coinbase.failure = Rejected("Temporary lockout", Refusal.LOCKED)
    for venue in (coinbase, kraken):
        venue.may_connect.set()
    await asyncio.wait_for(kraken.connected.wait(), PATIENCE)
    kraken.connected.clear()
    kraken.ends.set()
    await asyncio.wait_for(kraken.connected.wait(), PATIENCE)
    assert process.started == ["coinbase", "kraken", "kraken"], "nor is the pause cut short"
    assert await told(bus, "coinbase") == (AccountState.PARKED, "Temporary lockout")
    assert await master_is_open(bus)
    assert process.heartbeat.state == "kraken: mirror only", "what held under the former lease is not repeated"
    coinbase.failure = None
    process.time.let_go.set()
    await asyncio.wait_for(coinbase.connected.wait(), PATIENCE)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (KeyError("an unexpected answer"), "internal error: KeyError"),  # what it carries may be a secret
        (BusRefused("WRONGTYPE of one record"), "WRONGTYPE of one record"),
    ],
)
async def test_a_crash_of_one_session_is_reported_and_the_other_goes_on(
    process: Process, failure: Exception, words: str
) -> None:
    coinbase, kraken = (process.venues[name] for name in VENUES)
    coinbase.failure = failure
    for venue in (coinbase, kraken):
        venue.may_connect.set()
    await until(lambda: process.started.count("coinbase") > 3 and kraken.connected.is_set())
    [fault] = process.heartbeat.faults.standing
    assert (fault.kind, fault.subject) == (FaultKind.TASK, "master (coinbase)")
    assert fault.reason == words
    coinbase.failure = None
    await asyncio.wait_for(coinbase.connected.wait(), PATIENCE)
    assert not process.heartbeat.faults.standing
    assert process.started.count("kraken") == 1


async def test_who_leads_no_more_reports_no_crash(bus: Bus) -> None:
    process = Process(bus)
    process.venues["coinbase"].failure = KeyError("an unexpected answer")
    process.venues["coinbase"].may_connect.set()
    async with serving(process.leadership.serve):
        await until(lambda: process.heartbeat.faults.standing)
    assert not process.heartbeat.faults.standing


async def test_losing_redis_ends_the_sessions_of_both(process: Process) -> None:
    for venue in process.venues.values():
        venue.may_connect.set()
    await until(lambda: process.started == ["coinbase", "kraken"] and process.venues["kraken"].connected.is_set())
    process.venues["kraken"].ends.set()
    await until(lambda: process.started == ["coinbase", "kraken"] * 2)


@pytest.mark.parametrize("left", [FIRST_CONNECT, ""])
async def test_an_account_whose_key_was_taken_away_counts_as_neither_ready_nor_awaited(bus: Bus, left: str) -> None:
    """A crash left its record as it was: ready, or about to connect."""
    records, venue = Records(bus), Solo(bus)
    await records.mark_account(
        MASTER, "coinbase", AccountState.CONNECTING if left else AccountState.READY, left or "as before"
    )
    async with serving(venue.leadership.serve):
        await until(lambda: venue.started)
        while (await told(bus, "coinbase"))[0] is not AccountState.PARKED:
            assert not venue.kraken.connected.is_set()
        assert not await master_is_open(bus)
        venue.kraken.may_connect.set()
        await asyncio.wait_for(venue.kraken.connected.wait(), PATIENCE)
        assert await master_is_open(bus)


async def test_an_unexpected_failure_of_the_only_account_ends_the_process(bus: Bus) -> None:
    solo = Solo(bus)
    solo.kraken.failure = KeyError("an unexpected answer")
    solo.kraken.may_connect.set()
    with pytest.raises(ExceptionGroup) as ended:
        await asyncio.wait_for(solo.leadership.serve(), PATIENCE)
    assert ended.group_contains(KeyError)


async def test_a_refused_key_parks_its_account_and_the_other_one_goes_on(process: Process, bus: Bus) -> None:
    coinbase, kraken = (process.venues[name] for name in VENUES)
    coinbase.failure = Rejected("Unauthorized", Refusal.AUTH)
    coinbase.may_connect.set()
    kraken.may_connect.set()
    await asyncio.wait_for(kraken.connected.wait(), PATIENCE)
    assert await master_is_open(bus), "who was tried and refused holds nobody up"
    accounts = await Records(bus).accounts([(MASTER, name) for name in VENUES])
    assert [account.state for account in accounts if account] == [AccountState.PARKED, AccountState.READY]
    assert process.heartbeat.state.startswith("coinbase: ")
    assert process.heartbeat.phase is Phase.MIRROR
    await until(lambda: process.started.count("coinbase") > 1)
    assert process.started.count("kraken") == 1
    coinbase.failure = None
    await asyncio.wait_for(coinbase.connected.wait(), PATIENCE)
