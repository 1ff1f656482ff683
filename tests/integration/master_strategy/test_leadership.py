"""One master at a time; what the venue refuses parks the account, and nothing ends the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from structlog.testing import capture_logs

from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.leadership import Leadership
from services.master_strategy.venue_sessions import VenueSessions
from services.master_strategy.venue_state import MasterState
from shared.bus.connection import Bus
from shared.bus.ownership.lease import Lease
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.fault import FaultKind, Faults
from shared.venues.errors import Refusal, Rejected, Unavailable
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.master_strategy.rig import until

PATIENCE = 30.0


class Sessions:
    """Plays the session: each start is noted, then what is queued happens; with nothing queued it trades for ever."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.started: list[Lease] = []
        self.trading = asyncio.Event()

    async def run(self, lease: Lease) -> None:
        self.started.append(lease)
        if self.failures:
            raise self.failures.pop(0)
        self.trading.set()
        await asyncio.Event().wait()


def _leadership(
    bus: Bus,
    instance: str,
    run: Callable[[Lease], Awaitable[None]],
    time: SteppedTime,
    health: ScanHealth | None = None,
) -> Leadership:
    heartbeat = Heartbeat(Records(bus), "master-strategy", instance)
    sessions = VenueSessions(
        name="kraken",
        run_session=run,
        records=Records(bus),
        state=MasterState(heartbeat).of("kraken"),
        clock=time.clock(),
        health=health,
    )
    return Leadership(bus=bus, instance=instance, venues=[sessions], heartbeat=heartbeat, clock=time.clock())


@asynccontextmanager
async def _serving(leadership: Leadership) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(leadership.serve())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _account(bus: Bus) -> Account:
    [account] = await Records(bus).accounts([(MASTER, "kraken")])
    assert account is not None
    return account


def _waits(logs: Sequence[Mapping[str, object]]) -> list[object]:
    return [line["again_in_s"] for line in logs if "again_in_s" in line]


async def test_a_second_master_stands_by_and_takes_over_when_the_first_stops(bus: Bus) -> None:
    first, second = Sessions(), Sessions()
    async with _serving(_leadership(bus, "second", second.run, SteppedTime())) as standby:
        await asyncio.wait_for(second.trading.wait(), PATIENCE)
        async with _serving(_leadership(bus, "third", first.run, SteppedTime())):
            while not await _stands_by(bus, "master-strategy:third"):
                assert not first.started
            standby.cancel()
            await asyncio.wait_for(first.trading.wait(), PATIENCE)
    assert int(first.started[0].token) > int(second.started[0].token)


async def test_a_refused_key_parks_the_account_with_the_venues_words_and_is_tried_again_ever_more_seldom(
    bus: Bus,
) -> None:
    sessions = Sessions(*[Rejected("EAPI:Invalid key", Refusal.AUTH)] * 4)
    async with _serving(_leadership(bus, "one", sessions.run, SteppedTime())):
        with capture_logs() as logs:
            await asyncio.wait_for(sessions.trading.wait(), PATIENCE)
        account = await _account(bus)
        assert (account.state, account.reason) == (AccountState.PARKED, "EAPI:Invalid key")
    assert _waits(logs) == [5, 10, 20, 40]


async def test_a_lockout_is_waited_out_for_a_quarter_of_an_hour(bus: Bus) -> None:
    time = SteppedTime()
    begun = time.now
    sessions = Sessions(Rejected("EGeneral:Temporary lockout", Refusal.LOCKED))
    async with _serving(_leadership(bus, "one", sessions.run, time)):
        await asyncio.wait_for(sessions.trading.wait(), PATIENCE)
    assert time.now - begun >= 900_000


async def test_a_venue_that_is_away_is_tried_again_and_the_account_is_not_parked(bus: Bus) -> None:
    sessions = Sessions(Unavailable("EService:Unavailable"), Unavailable("EService:Busy", retry_after=20))
    async with _serving(_leadership(bus, "one", sessions.run, SteppedTime())):
        with capture_logs() as logs:
            await asyncio.wait_for(sessions.trading.wait(), PATIENCE)
        assert (await _account(bus)).state is AccountState.CONNECTING
    assert _waits(logs) == [1, 20]


async def test_a_stop_hands_the_lease_back_and_says_that_nobody_is_connected(bus: Bus) -> None:
    sessions = Sessions()
    async with _serving(_leadership(bus, "one", sessions.run, SteppedTime())):
        await asyncio.wait_for(sessions.trading.wait(), PATIENCE)
    assert (await _account(bus)).reason == "no master process is connected"
    again = Sessions()
    async with _serving(_leadership(bus, "two", again.run, SteppedTime())):
        await asyncio.wait_for(again.trading.wait(), PATIENCE)


async def _stands_by(bus: Bus, process: str) -> bool:
    sign = (await Records(bus).heartbeats()).get(process)
    return sign is not None and "standby" in sign.state


async def test_a_session_that_never_gets_as_far_as_a_scan_is_reported_and_a_standby_reports_nothing(bus: Bus) -> None:
    """Case E6."""
    time, faults, others = SteppedTime(), Faults(), Faults()
    sessions = Sessions(*(Unavailable("the venue is down") for _ in range(1_000)))
    health = ScanHealth(faults, time.clock(), "kraken")
    standby = ScanHealth(others, time.clock(), "kraken")
    async with _serving(_leadership(bus, "one", sessions.run, time, health)):
        await until(lambda: sessions.started)
        async with _serving(_leadership(bus, "two", sessions.run, time, standby)):
            await until(lambda: any("the venue is down" in each.reason for each in faults.standing))
            (fault,) = faults.standing
            assert (fault.kind, fault.blocks) == (FaultKind.MASTER_SCAN, True)
            assert not others.standing
    assert not faults.standing  # it leads no more


async def test_who_stands_by_reports_no_fault_of_the_masters_account(bus: Bus) -> None:
    """One that blocks would have `/readyz` refuse for ever, whatever the other master sees."""
    time = SteppedTime()
    first = _leadership(bus, "one", Sessions().run, time)
    second = _leadership(bus, "two", Sessions().run, time)
    faults = second._heartbeat.faults
    faults.report(FaultKind.EQUITY, MASTER, "it has not been read", blocks=True)
    faults.report(FaultKind.CLOCK, "kraken", "this host's clock is wrong")

    async with _serving(first):
        await until(lambda: first._last)
        async with _serving(second):
            await until(lambda: [each.kind for each in faults.standing] == [FaultKind.CLOCK], seconds=10)
