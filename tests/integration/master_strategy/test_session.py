"""A whole session on real time: it trades, survives the loss of Redis by itself, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import redis

from services.master_strategy.clock import Clock, system_clock
from services.master_strategy.leadership import Leadership
from services.master_strategy.session import MasterSession
from services.master_strategy.venue_sessions import VenueSessions
from services.master_strategy.venue_state import MasterState
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusUnavailable
from shared.bus.flow.signals import SignalLog
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import MASTER, AccountState
from shared.domain.order import Side
from shared.domain.values.money import Quantity
from shared.strategies.settings import StrategySettings
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.port import OrderRequest
from tests.support.redis_server import RedisServer
from tests.unit.master_strategy.values import BTC, MINUTE, NOW, falling, rising


class Master:
    """One process of the master in this test's loop, on a fake venue."""

    def __init__(self, bus: Bus, strategy: str = "sma-cross") -> None:
        self._strategy = strategy
        self.market = FakeMarket({BTC: Decimal(60_000)})
        self.account = FakeAccount({"USD": Decimal(100_000)})
        self._bus = bus
        # Mirror only, all there is to wait for are the scans of the account, so its seconds are short.
        quick = Clock(system_clock().now, lambda seconds: asyncio.sleep(seconds / 20))
        self._clock = quick if strategy == "none" else system_clock()
        self._heartbeat = Heartbeat(Records(bus), "master-strategy", "one")
        self._state = MasterState(self._heartbeat).of("kraken")
        sessions = VenueSessions(
            name="kraken", run_session=self._session, records=Records(bus), state=self._state, clock=self._clock
        )
        self._leadership = Leadership(
            bus=bus, instance="one", venues=[sessions], heartbeat=self._heartbeat, clock=self._clock
        )

    async def serve(self) -> None:
        """Run until cancelled."""
        await self._leadership.serve()

    async def _session(self, lease: Lease) -> None:
        nonces = NonceCounter(self._bus, lease, MASTER, "f" * 16, floor=self._clock.now() * 1000)
        symbols = [str(BTC)]
        settings = StrategySettings.model_validate(
            {"name": self._strategy, "symbols": symbols, "poll_seconds": 0.2, "entry_gap_seconds": 0}
        )
        session = MasterSession(
            bus=self._bus,
            lease=lease,
            venue=FakeVenue(self.market, self.account, clock=self._clock.now, nonces=nonces),
            nonces=nonces,
            settings=settings,
            state=self._state,
            faults=self._heartbeat.faults,
            clock=self._clock,
            new_id=lambda: str(uuid4()),
            live=False,
        )
        await session.run()


async def _wait(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            with suppress(BusUnavailable):
                if await condition():
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _serving(master: Master) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(master.serve())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_redis_dies_and_comes_back_and_the_master_goes_on_by_itself(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        async with open_bus(server.url, "test") as bus:
            await _trade_through_an_outage(bus, server)
    finally:
        server.stop()


async def _trade_through_an_outage(bus: Bus, server: RedisServer) -> None:
    signals, master = SignalLog(bus), Master(bus)

    async def told() -> list[str]:
        return [entry.fields["kind"] for entry in reversed(await signals.latest(100))]

    async def entered() -> bool:
        return await told() == ["entry"]

    async def left() -> bool:
        return await told() == ["entry", "exit"]

    master.market.candles[BTC] = list(rising())
    async with _serving(master) as serving:
        await _wait(entered)
        server.kill()
        master.market.candles[BTC] = list(falling(first_at=NOW + MINUTE))
        await asyncio.sleep(1.5)
        assert not serving.done()
        server.start()
        await _wait(left)
        [account] = await Records(bus).accounts([(MASTER, "kraken")])
        assert account is not None
        assert account.state is AccountState.READY
        assert len(master.account.orders) == 2


async def test_a_signal_that_redis_has_forgotten_is_told_again_by_the_fill(tmp_path: Path) -> None:
    """A fail-over loses what was written last, and no call of the master's need be under way when it does."""
    server = RedisServer(tmp_path)
    server.start()
    try:
        async with open_bus(server.url, "test") as bus:
            await _trade_through_a_fail_over(bus, server)
    finally:
        server.stop()


async def _trade_through_a_fail_over(bus: Bus, server: RedisServer) -> None:
    signals, master = SignalLog(bus), Master(bus)

    async def scanned() -> bool:
        """Whether the account is known: at its very first start everything before is history, and is not emitted."""
        return await signals.fill_cursor(MASTER, "kraken") is not None

    async def told() -> bool:
        return bool(await signals.latest(1))

    async with _serving(master):
        await _wait(scanned)
        remembered = server.written
        master.market.candles[BTC] = list(rising())
        await _wait(told)
        [first] = await signals.latest(2)
        server.kill()
        server.forget(remembered)
        server.start()
        with redis.Redis(port=server.port) as apart:
            assert apart.xlen(keys.SIGNALS) == 0
        await _wait(told)
        [again] = await signals.latest(2)
        assert (again.fields["id"], len(master.account.orders)) == (first.fields["id"], 1)


async def test_mirror_only_signals_what_a_person_trades_and_sends_no_order(tmp_path: Path) -> None:
    """Case N1: without a strategy the account is still followed, whatever the candles say."""
    server = RedisServer(tmp_path)
    server.start()
    try:
        async with open_bus(server.url, "test") as bus:
            await _mirror_a_person(bus)
    finally:
        server.stop()


async def _mirror_a_person(bus: Bus) -> None:
    signals, records, master = SignalLog(bus), Records(bus), Master(bus, strategy="none")
    master.market.candles[BTC] = list(rising())  # the sample strategy would buy at once
    person = FakeVenue(master.market, master.account, clock=system_clock().now)

    async def mirrors() -> bool:
        return "mirror only" in {sign.state for sign in (await records.heartbeats()).values()}

    async def told() -> bool:
        return bool(await signals.latest(1))

    async with _serving(master):
        await _wait(mirrors)
        person._accept(OrderRequest("", BTC, Side.BUY, Quantity(Decimal("0.1"), "BTC"), None, 0))
        await _wait(told)
        [signal] = await signals.latest(2)

    assert (signal.fields["source"], signal.fields["base_size"]) == ("account", "0.1")
    assert master.account.orders[1:] == []
