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
from shared.bus.heartbeat import Heartbeat
from shared.bus.lease import Lease
from shared.bus.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.domain.account import MASTER, AccountState
from shared.venues.errors import Refusal, Rejected
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.master_strategy.rig import until

VENUES = ("coinbase", "kraken")
PATIENCE = 30.0


class Venue:
    """Plays the sessions of one venue: each start is noted, and waits until it may connect, or is refused."""

    def __init__(self, bus: Bus, name: str, started: list[str], state: VenueState) -> None:
        self.name = name
        self.may_connect = asyncio.Event()
        self.refused = False
        self.connected = asyncio.Event()
        self._bus = bus
        self._started = started
        self._state = state

    async def run(self, lease: Lease) -> None:
        del lease
        self._started.append(self.name)
        await self.may_connect.wait()
        if self.refused:
            raise Rejected("Unauthorized", Refusal.AUTH)
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
        await asyncio.Event().wait()


class Process:
    """A process of the master with an account at both venues."""

    def __init__(self, bus: Bus) -> None:
        self.started: list[str] = []
        self.heartbeat = Heartbeat(Records(bus), "master-strategy", "one")
        state = MasterState(self.heartbeat)
        time = SteppedTime()
        states = {name: state.of(name) for name in VENUES}
        self.venues = {name: Venue(bus, name, self.started, states[name]) for name in VENUES}
        sessions = [
            VenueSessions(
                name=name, run_session=venue.run, records=Records(bus), state=states[name], clock=time.clock()
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


async def test_a_refused_key_parks_its_account_and_the_other_one_goes_on(process: Process, bus: Bus) -> None:
    coinbase, kraken = (process.venues[name] for name in VENUES)
    coinbase.refused = True
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
    coinbase.refused = False
    await asyncio.wait_for(coinbase.connected.wait(), PATIENCE)
