"""The guardian of one context: what it closes, what it must not close, and what outlives its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
import structlog

from services.executor.protection import guardian as guardian_module
from services.executor.protection.guardian import STALE_MS, Guardian
from services.executor.protection.housekeeper import Task
from services.executor.protection.own_exits import USER_MODE, OwnExits
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.domain.limits.policy import ExitPolicy
from shared.domain.order import OrderState
from shared.domain.position import Position
from tests.integration.executor.rig import USER, Owner, Rig, crash, own_exits, until
from tests.support.examples import BTC_USD, btc, btc_price, usd


@asynccontextmanager
async def guarding(rig: Rig, owner: Owner) -> AsyncIterator[Guardian]:
    """Guard a context, having taken up what a predecessor began."""

    async def run_task(task: Task) -> None:
        await task()

    async with asyncio.TaskGroup() as tasks:
        exits = own_exits(owner, SymbolQueues(tasks, run_task))
        await exits.queue_noted()
        yield Guardian(owner.context, Watch(rig.bus), exits)
        await until(partial(_quiet, exits), "all own exits are over")


async def _quiet(exits: OwnExits) -> bool:
    return not exits.busy


async def _hold(rig: Rig, size: str = "0.05") -> None:
    """Have alice hold what she bought by copying at 60,000, beside a bitcoin of her own."""
    now = rig.clock.now
    await Records(rig.bus).write_position(
        USER, "kraken", Position(BTC_USD, btc(size), usd(Decimal(size) * 60_000), now, now)
    )
    rig.account.move("BTC", Decimal(size) + 1)


async def _price(rig: Rig, price: str, age_ms: int = 0) -> None:
    rig.market.prices[BTC_USD] = Decimal(price)
    await Records(rig.bus).write_prices("kraken", [btc_price(price)], rig.clock.now - age_ms)


def _exits(owner: Owner, exits: ExitPolicy) -> None:
    owner.context.follow(replace(owner.context.policy, exits=exits))


async def _one_report(rig: Rig) -> ReportMessage:
    await until(rig.reports, "an own exit is reported")
    (report,) = await rig.reports()
    return report


async def test_a_stop_sells_what_was_copied_and_no_more(rig: Rig) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "57000")
    async with guarding(rig, owner) as guardian:
        await guardian.look()
        await guardian.look()  # the exit is under way
        report = await _one_report(rig)
        await guardian.look()  # it is over
    assert (report.outcome, report.signal_id, report.filled_size) == (OrderState.FILLED, "", Decimal("0.05"))
    assert report.reason.startswith("stop_loss: 57000 USD is 5 % or more below the average cost of 60000 USD; filled ")
    assert rig.account.balances["BTC"] == 1
    assert await rig.position() is None
    assert len(owner.venue.sent) == 1
    assert owner.venue.sent[0].limit_price == btc_price("55860")  # 2 % below


async def test_an_old_price_closes_nothing_and_is_told_once(rig: Rig) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "30000", age_ms=STALE_MS + 1)
    with structlog.testing.capture_logs() as logs:
        async with guarding(rig, owner) as guardian:
            await guardian.look()
            await guardian.look()
    assert await rig.reports() == []
    assert len([line for line in logs if line["event"].startswith("no fresh price")]) == 1


async def test_a_price_of_before_the_purchase_closes_nothing(rig: Rig) -> None:
    """Pairs that nobody watches are published every 15 s; what the market did until the purchase was no loss of this position."""
    owner = await rig.start()
    await _hold(rig)
    async with guarding(rig, owner) as guardian:
        await _price(rig, "57000", age_ms=1)
        await guardian.look()
        assert not guardian._exits.closing
        await _price(rig, "57000")
        await guardian.look()
        await _one_report(rig)


async def test_the_log_names_the_mode_of_a_users_cycle(rig: Rig) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "57000")
    with structlog.testing.capture_logs() as logs:
        async with guarding(rig, owner) as guardian:
            running = asyncio.create_task(guardian.run())
            await _one_report(rig)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert [line["user"] for line in logs if line["event"] == USER_MODE] == [owner.context.user]
    assert [line["mode"] for line in logs if line["event"] == "own exit"] == [USER_MODE]


async def test_with_nothing_held_it_rests_until_something_changes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardian_module, "_QUIET", 60.0)
    owner = await rig.start()
    async with guarding(rig, owner) as guardian:
        running = asyncio.create_task(guardian.run())
        await until(partial(_resting, guardian), "it has looked once")
        await _hold(rig)
        await _price(rig, "57000")
        owner.context.positions.recorded.forget()  # another hand has written it
        owner.context.positions.changed.set()
        await _one_report(rig)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _resting(guardian: Guardian) -> bool:
    return not guardian._holding


async def test_a_holding_time_needs_no_price(rig: Rig) -> None:
    owner = await rig.start()
    _exits(owner, ExitPolicy(max_hold_ms=1000))
    await _hold(rig)
    rig.clock.now += 1000
    async with guarding(rig, owner) as guardian:
        await guardian.look()
        assert (await _one_report(rig)).reason.startswith("max_hold: held for 1 s of 1 s")


async def test_the_highest_price_outlives_the_process_and_is_written_by_steps(rig: Rig) -> None:
    owner = await rig.start()
    _exits(owner, ExitPolicy(stop_loss_pct=None, trailing_pct=Decimal(3)))
    await _hold(rig)
    for price, written in (("60000", "60000"), ("60030", "60000"), ("63000", "63000"), ("62000", "63000")):
        await _price(rig, price)
        async with guarding(rig, owner) as guardian:
            await guardian.look()
        position = await rig.position()
        assert position is not None
        assert position.high == btc_price(written)
    heir = await rig.start()
    _exits(heir, owner.context.policy.exits)
    await _price(rig, "61110")  # 3 % below 63,000
    async with guarding(rig, heir) as guardian:
        await guardian.look()
        assert "below the highest price 63000 USD" in (await _one_report(rig)).reason


async def test_a_small_rise_counts_within_the_process(rig: Rig) -> None:
    owner = await rig.start()
    _exits(owner, ExitPolicy(stop_loss_pct=None, trailing_pct=Decimal(3)))
    await _hold(rig)
    async with guarding(rig, owner) as guardian:
        for price in ("60000", "60050", "58245"):  # 2.925 % below 60,000 and 3.006 % below 60,050
            await _price(rig, price)
            await guardian.look()
        assert "below the highest price 60050 USD" in (await _one_report(rig)).reason


async def test_dust_is_told_once_and_left(rig: Rig) -> None:
    owner = await rig.start()
    await _hold(rig, "0.00001")
    await _price(rig, "57000")
    async with guarding(rig, owner) as guardian:
        for _ in range(3):
            await guardian.look()
            await _one_report(rig)
    report = await _one_report(rig)
    assert report.outcome is OrderState.SKIPPED
    assert "dust: " in report.reason
    assert owner.venue.sent == []


async def test_an_exit_that_was_noted_and_not_sent_is_taken_up(rig: Rig) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "57000")
    owner.venue.hold("instruments")  # it dies while it plans the sale

    async def live() -> None:
        async with guarding(rig, owner) as guardian:
            await guardian.look()

    async def noted() -> bool:
        return (await owner.context.store.own_exits()).decisions != ()

    life = asyncio.create_task(live())
    await until(noted, "the exit is noted")
    await crash(life)
    heir = await rig.start()
    await _price(rig, "60000")  # the reason is gone, the decision stands
    async with guarding(rig, heir):
        report = await _one_report(rig)
    assert report.reason.startswith("stop_loss: 57000 USD")
    assert rig.account.balances["BTC"] == 1
    assert (await heir.context.store.own_exits()).decisions == ()


@pytest.mark.parametrize("mode", ["pause", "close_only", "flatten"])
async def test_only_halt_stops_own_exits(rig: Rig, mode: str) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "57000")
    await rig.switch("halt")
    async with guarding(rig, owner) as guardian:
        await guardian.look()
        await asyncio.sleep(0.2)
        assert owner.venue.sent == []
        await rig.switch(mode)
        await guardian.look()
        assert (await _one_report(rig)).outcome is OrderState.FILLED


async def test_profit_is_booked_with_the_order(rig: Rig) -> None:
    owner = await rig.start()
    await rig.carry(owner, rig.entry())
    await _price(rig, "63000")
    await rig.carry(owner, rig.close("0.5"))
    risk = await Records(rig.bus).risk(USER, "kraken")
    assert risk is not None
    assert risk.trades_today == 1
    assert risk.realized == usd("62.7")  # 1,575 less 6.3, for what cost 1,506
    assert await rig.bus.do("EXISTS", keys.stopouts(USER)) == 0


async def test_coins_that_are_gone_change_no_profit(rig: Rig) -> None:
    owner = await rig.start()
    await _hold(rig)
    await _price(rig, "63000")
    before = await rig.position()
    assert before is not None
    left = before.sold(btc("0.02"), rig.clock.now)
    async with owner.context.positions.booking:
        books = await owner.context.positions.recent()
        fields = await owner.context.risk.after_removal(before, left, "USD", books.risk)
    assert fields is not None
    assert fields["realized"] == "60"  # 0.02 of 3,000 a coin, which is not unrealised any more
