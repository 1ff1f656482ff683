"""A guardian that looks seldom, since all that can close what is held comes as news; and what is looked at each second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from services.executor.protection import guardian as guardian_module
from services.executor.protection.guardian import Guardian
from services.executor.protection.housekeeper import Task
from services.executor.protection.price_alarm import PriceAlarm
from services.executor.turn import control_watch
from services.executor.turn.control_watch import ControlWatch
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.contracts import keys
from shared.domain.limits.policy import ExitPolicy, LimitPolicy, OnLeave
from shared.domain.order import OrderState
from shared.domain.position import Position
from tests.integration.executor.rig import USER, Owner, Rig, crash, own_exits, until
from tests.support.examples import BTC_USD, btc, btc_price, usd


@asynccontextmanager
async def guarded(rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Guardian]:
    """Guard alice's coins beside the alarm and the control watch; without news there is a look in an hour."""
    monkeypatch.setattr(guardian_module, "_QUIET", 3_600.0)
    monkeypatch.setattr(control_watch, "_EVERY", 0.02)
    alarm, controls = PriceAlarm(rig.bus), ControlWatch(rig.bus)

    async def run_task(task: Task) -> None:
        await task()

    async with asyncio.TaskGroup() as tasks:
        exits = own_exits(owner, SymbolQueues(tasks, run_task))
        guardian = Guardian(owner.context, Watch(rig.bus), exits, alarm=alarm, controls=controls)
        controls.follow(USER, switched=guardian.wake, requested=lambda: None)
        running = [asyncio.create_task(each) for each in (alarm.run(), controls.run(), guardian.run())]
        yield guardian
        for each in running:
            await crash(each)


async def _hold(rig: Rig, price: str = "60000") -> None:
    now = rig.clock.now
    await Records(rig.bus).write_position(USER, "kraken", Position(BTC_USD, btc("0.05"), usd(3_000), now, now))
    rig.account.move("BTC", Decimal("0.05"))
    await _price(rig, price)


async def _price(rig: Rig, amount: str) -> None:
    rig.market.prices[BTC_USD] = Decimal(amount)
    await Records(rig.bus).write_prices("kraken", [btc_price(amount)], rig.clock.now)


def _policy(owner: Owner, **changes: object) -> None:
    owner.context.follow(replace(owner.context.policy, **changes))  # type: ignore[arg-type]


async def _calm(guardian: Guardian) -> None:
    async def calm() -> bool:
        return guardian._calm

    await until(calm, "the guardian is calm")


async def _sold(rig: Rig) -> str:
    await until(rig.reports, "the position is closed")
    (report,) = await rig.reports()
    assert report.outcome is OrderState.FILLED
    return report.reason


@pytest.mark.parametrize("key", [keys.CONTROL, keys.control(USER), keys.control_of_symbol(BTC_USD)])
async def test_each_switch_closes_at_once(rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    await _hold(rig)
    async with guarded(rig, owner, monkeypatch) as guardian:
        await _calm(guardian)
        await rig.bus.do("HSET", key, "mode", "flatten", "reason", "a test")
        assert (await _sold(rig)).startswith("flatten: a test")


async def test_a_price_closes_at_once(rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    await _hold(rig)
    async with guarded(rig, owner, monkeypatch) as guardian:
        await _calm(guardian)
        await _price(rig, "57000")
        assert (await _sold(rig)).startswith("stop_loss: 57000 USD")


async def test_changed_settings_close_at_once(rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    await _hold(rig)
    async with guarded(rig, owner, monkeypatch) as guardian:
        await _calm(guardian)
        _policy(owner, enabled=False, on_leave=OnLeave.CLOSE_NOW)
        assert (await _sold(rig)).startswith("on_leave: ")


async def test_a_price_that_comes_later_is_waited_for_second_by_second(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guardian_module, "_EVERY", 0.05)
    await _hold(rig)
    await rig.bus.do("DEL", keys.prices("kraken"))
    async with guarded(rig, owner, monkeypatch):
        await _price(rig, "57000")
        assert (await _sold(rig)).startswith("stop_loss: 57000 USD")


_EXITS = ExitPolicy()


@pytest.mark.parametrize(
    "changes",
    [
        {"exits": replace(_EXITS, max_hold_ms=3_600_000)},
        {"exits": replace(_EXITS, trailing_pct=Decimal(5))},
        {"exits": ExitPolicy(stop_loss_pct=None)},
        {"limits": LimitPolicy(daily_loss_pct=Decimal(50))},
        {"enabled": False, "on_leave": OnLeave.KEEP},
    ],
)
async def test_what_may_close_without_news_is_looked_at_each_second(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    monkeypatch.setattr(guardian_module, "_EVERY", 0.02)
    _policy(owner, **changes)
    await _hold(rig)
    looks = 0
    real = Guardian._look

    async def counted(guardian: Guardian, *args: object) -> None:
        nonlocal looks
        looks += 1
        await real(guardian, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Guardian, "_look", counted)

    async def again() -> bool:
        return looks > 5

    async with guarded(rig, owner, monkeypatch):
        await until(again, "it looks again and again")
