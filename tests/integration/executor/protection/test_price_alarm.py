"""Guards that are woken when a published price moves, and guardians that act on it before their next look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

import pytest

from services.executor.protection import guardian as guardian_module
from services.executor.protection.guardian import STALE_MS, Guardian
from services.executor.protection.housekeeper import Task
from services.executor.protection.price_alarm import PriceAlarm
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.domain.limits.policy import ExitPolicy
from shared.domain.position import MAIN, Position
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from tests.integration.executor.rig import USER, Owner, Rig, crash, own_exits, until
from tests.support.examples import BTC_USD, btc, btc_price, usd

ETH_USD = Symbol("ETH", "USD")


@dataclass(eq=False)
class Guard:
    """Keeps what it hears."""

    heard: list[str] = field(default_factory=list)

    def price_moved(self, price: Price, at: int) -> None:
        self.heard.append(f"{price.symbol} {price.amount} {at}")


@pytest.fixture
async def alarm(bus: Bus) -> AsyncIterator[PriceAlarm]:
    alarm = PriceAlarm(bus)
    running = asyncio.create_task(alarm.run())
    yield alarm
    await crash(running)


async def _publish(bus: Bus, amount: str, at: int, symbol: Symbol = BTC_USD) -> None:
    await Records(bus).write_prices("kraken", [Price(Decimal(amount), symbol)], at)


async def _heard(guard: Guard, text: str) -> bool:
    return text in guard.heard


async def test_a_guard_hears_of_moves_of_its_pairs_only(bus: Bus, alarm: PriceAlarm) -> None:
    guard, other = Guard(), Guard()
    await _publish(bus, "60000", 1)
    await _publish(bus, "3000", 1, ETH_USD)
    alarm.set(guard, "kraken", {BTC_USD: btc_price("60000")})
    alarm.set(other, "kraken", {ETH_USD: Price(Decimal(3_000), ETH_USD)})
    await _publish(bus, "59000", 2)
    await until(partial(_heard, guard, "BTC/USD 59000 2"), "the move is heard of")
    await _publish(bus, "59000", 3)  # it has not moved
    await _publish(bus, "3100", 4, ETH_USD)
    await until(partial(_heard, other, "ETH/USD 3100 4"), "the other one's too")
    assert not any("59000 3" in text or "ETH" in text for text in guard.heard)
    assert not any("BTC" in text for text in other.heard)


async def test_a_move_between_a_look_and_the_alarm_is_heard_of_at_once(bus: Bus, alarm: PriceAlarm) -> None:
    guard, late = Guard(), Guard()
    alarm.set(guard, "kraken", {BTC_USD: btc_price("60000")})
    await _publish(bus, "59000", 2)
    await until(partial(_heard, guard, "BTC/USD 59000 2"), "the move is heard of")
    alarm.set(late, "kraken", {BTC_USD: btc_price("60000")})
    assert late.heard == ["BTC/USD 59000 2"]


async def test_a_forgotten_guard_hears_nothing_and_nothing_is_read_for_it(bus: Bus, alarm: PriceAlarm) -> None:
    guard, other = Guard(), Guard()
    alarm.set(guard, "kraken", {BTC_USD: btc_price("60000"), ETH_USD: Price(Decimal(3_000), ETH_USD)})
    alarm.set(other, "kraken", {BTC_USD: btc_price("60000")})
    alarm.forget(guard)
    alarm.forget(guard)
    await _publish(bus, "59000", 2)
    await until(partial(_heard, other, "BTC/USD 59000 2"), "the move is heard of")
    assert guard.heard == []
    assert list(alarm._guards["kraken"]) == [BTC_USD]
    alarm.set(other, "kraken", {})
    assert alarm._guards == {"kraken": {}}
    assert not alarm._some.is_set()


# Guardians


def _guardian(rig: Rig, owner: Owner, tasks: asyncio.TaskGroup, alarm: PriceAlarm) -> Guardian:
    async def run_task(task: Task) -> None:
        await task()

    return Guardian(owner.context, Watch(rig.bus), own_exits(owner, SymbolQueues(tasks, run_task)), alarm=alarm)


async def _hold(rig: Rig) -> None:
    now = rig.clock.now
    await Records(rig.bus).write_position(USER, "kraken", Position(BTC_USD, btc("0.05"), usd(3_000), now, now))
    rig.account.move("BTC", Decimal("0.05"))


async def _price(rig: Rig, amount: str) -> None:
    rig.market.prices[BTC_USD] = Decimal(amount)
    await Records(rig.bus).write_prices("kraken", [btc_price(amount)], rig.clock.now)


async def _guarded(guardian: Guardian) -> bool:
    return bool(guardian._guarded)


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have guardians look once a minute: what they do sooner, they do because of the alarm."""
    monkeypatch.setattr(guardian_module, "_EVERY", 60.0)


@pytest.mark.usefixtures("seldom")
async def test_a_stop_acts_on_a_price_before_the_next_look(rig: Rig, alarm: PriceAlarm) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "60000")
    async with asyncio.TaskGroup() as tasks:
        guardian = _guardian(rig, owner, tasks, alarm)
        running = asyncio.create_task(guardian.run())
        await until(partial(_guarded, guardian), "it has looked")
        await _price(rig, "57000")
        await until(rig.reports, "the stop is reported")
        await crash(running)
    (report,) = await rig.reports()
    assert report.reason.startswith("stop_loss: 57000 USD")
    assert alarm._symbols == {}


@pytest.mark.usefixtures("seldom")
async def test_with_the_turn_the_alarm_ends(rig: Rig, alarm: PriceAlarm) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "60000")
    async with asyncio.TaskGroup() as tasks:
        guardian = _guardian(rig, owner, tasks, alarm)
        running = asyncio.create_task(guardian.run())
        await until(partial(_guarded, guardian), "it has looked")
        assert guardian in alarm._symbols
        await crash(running)
    assert alarm._symbols == {}


@pytest.mark.usefixtures("seldom")
async def test_a_price_that_closes_nothing_wakes_nothing(rig: Rig, alarm: PriceAlarm) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "60000")
    async with asyncio.TaskGroup() as tasks:
        guardian = _guardian(rig, owner, tasks, alarm)
        await guardian.look()
        now = rig.clock.now
        guardian.price_moved(btc_price("58000"), now)
        assert not guardian._alarmed.is_set()
        rig.clock.now += STALE_MS + 1
        guardian.price_moved(btc_price("57000"), now)
        rig.clock.now = now
        guardian.price_moved(btc_price("57000"), now - 1)  # of before the position's last fill
        guardian.price_moved(Price(Decimal(1), ETH_USD), now)
        assert not guardian._alarmed.is_set()
        guardian.price_moved(btc_price("57000"), now)
        assert guardian._alarmed.is_set()


@pytest.mark.usefixtures("seldom")
async def test_a_high_between_two_looks_counts_for_a_trailing_stop(rig: Rig, alarm: PriceAlarm) -> None:
    owner = await rig.start()
    owner.context.follow(replace(owner.context.policy, exits=ExitPolicy(stop_loss_pct=None, trailing_pct=Decimal(4))))
    await _hold(rig)
    await _price(rig, "60000")
    async with asyncio.TaskGroup() as tasks:
        guardian = _guardian(rig, owner, tasks, alarm)
        running = asyncio.create_task(guardian.run())
        await until(partial(_guarded, guardian), "it has looked")
        await _price(rig, "63000")

        async def noted() -> bool:
            return guardian._guarded[BTC_USD, MAIN].high == btc_price("63000")

        await until(noted, "the high is noted")
        await _price(rig, "60100")
        await until(rig.reports, "the stop is reported")
        await crash(running)
    (report,) = await rig.reports()
    assert "60100 USD is 4 % or more below the highest price 63000 USD" in report.reason


async def test_a_stop_that_must_not_act_is_not_woken_again_and_again(rig: Rig, alarm: PriceAlarm) -> None:
    """A halted user whose stop is due looks every second as before: prices move far more often."""
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "57000")
    await rig.switch("halt")
    async with asyncio.TaskGroup() as tasks:
        guardian = _guardian(rig, owner, tasks, alarm)
        await guardian.look()
        assert alarm._symbols == {}
        guardian.price_moved(btc_price("56000"), rig.clock.now)
        assert not guardian._alarmed.is_set()
    assert await rig.reports() == []


async def test_without_exits_by_price_nothing_is_read(rig: Rig, alarm: PriceAlarm) -> None:
    owner = await rig.start()
    owner.context.follow(replace(owner.context.policy, exits=ExitPolicy(stop_loss_pct=None, max_hold_ms=10**9)))
    await _hold(rig)
    await _price(rig, "60000")
    async with asyncio.TaskGroup() as tasks:
        await _guardian(rig, owner, tasks, alarm).look()
    assert alarm._symbols == {}
