"""One position record that cannot be read is reported and left alone; everything else of the user goes on. Case E4."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
import structlog.testing

from shared.bus.errors import BusUnavailable
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import LimitPolicy, StopOutAction
from shared.domain.order import Decision, OrderState
from shared.domain.position import Position
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.integration.executor.protection.test_guardian import guarding
from tests.integration.executor.rig import USER, Owner, Rig, reconciler, until
from tests.support.examples import BTC_USD, btc, btc_price, usd

ETH_USD = Symbol("ETH", "USD")
DAMAGED = '{"symbol": "ETH/USD", "base_size": "1'


@pytest.fixture
async def faults(rig: Rig, owner: Owner) -> Faults:
    """The register of the process that serves alice, who holds BTC at 60,000 and an ETH position whose record is damaged."""
    now = rig.clock.now
    position = Position(BTC_USD, btc("0.05"), usd(3000), now, now)
    await Records(rig.bus).write_position(USER, "kraken", position)
    rig.account.balances |= {"BTC": Decimal("0.05"), "ETH": Decimal(1)}
    rig.market.prices[ETH_USD] = Decimal(3000)
    await damage(rig)
    return rig.faults


async def damage(rig: Rig) -> None:
    await rig.bus.do("HSET", keys.positions(USER, "kraken"), "ETH/USD", DAMAGED)


async def repaired(rig: Rig, size: str = "1") -> None:
    now = rig.clock.now
    position = Position(ETH_USD, Quantity(Decimal(size), "ETH"), usd(3000), now, now)
    await Records(rig.bus).write_position(USER, "kraken", position)


def eth_entry(rig: Rig, size: str = "0.1") -> Decision:
    entry = rig.entry()
    assert entry.copy is not None
    copy = replace(entry.copy, base_size=Quantity(Decimal(size), "ETH"), limit_price=Price(Decimal(3100), ETH_USD))
    return replace(entry, symbol=ETH_USD, copy=copy)


async def test_one_bad_record_leaves_the_other_positions_protected(rig: Rig, owner: Owner, faults: Faults) -> None:
    """BTC is 50 % under water, a drawdown limit is set, and the record of ETH is damaged: BTC is sold, ETH reported."""
    limits = LimitPolicy(max_drawdown_pct=Decimal(20), on_stop_out=StopOutAction.CLOSE_ALL)
    owner.context.follow(replace(owner.context.policy, limits=limits))
    await owner.context.account.read()
    rig.market.prices[BTC_USD] = Decimal(30_000)
    await Records(rig.bus).write_prices("kraken", [btc_price(30_000)], rig.clock.now)
    with structlog.testing.capture_logs() as logs:
        async with guarding(rig, owner) as guardian:
            for _ in range(3):
                await guardian.look()
            await until(rig.reports, "the stop of BTC is reported")
    (report,) = await rig.reports()
    assert (report.symbol, report.outcome) == (BTC_USD, OrderState.FILLED)
    assert report.reason.startswith("stop_loss")
    standing = {(fault.kind, fault.subject) for fault in faults.standing}
    assert (FaultKind.RECORD, "alice (kraken) position ETH/USD") in standing
    assert [line["symbol"] for line in logs if line["event"].startswith("a position cannot be read")] == ["ETH/USD"]
    assert not guardian.flat  # a user who leaves is not let go with a position that nobody can see

    await repaired(rig)
    async with guarding(rig, owner) as guardian:
        await guardian.look()
    assert (FaultKind.RECORD, "alice (kraken) position ETH/USD") not in {(f.kind, f.subject) for f in faults.standing}


async def test_a_failure_in_looking_at_losses_leaves_positions_protected(
    rig: Rig, owner: Owner, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a surprise")

    monkeypatch.setattr(owner.context.risk, "look", broken)
    rig.market.prices[BTC_USD] = Decimal(30_000)
    await Records(rig.bus).write_prices("kraken", [btc_price(30_000)], rig.clock.now)
    async with guarding(rig, owner) as guardian:
        await guardian.look()
        await until(rig.reports, "the stop of BTC is reported")
    assert [fault.reason for fault in faults.standing if fault.subject.endswith("losses")] == [
        "losses cannot be looked at: RuntimeError: a surprise"
    ]


@pytest.mark.parametrize("limits", [LimitPolicy(), LimitPolicy(max_positions=5)])
async def test_nothing_is_bought_that_cannot_be_recorded(
    rig: Rig, owner: Owner, faults: Faults, limits: LimitPolicy
) -> None:
    owner.context.follow(replace(owner.context.policy, limits=limits))
    report = await rig.carry(owner, eth_entry(rig))
    assert report.outcome is OrderState.SKIPPED
    assert "the position of ETH/USD cannot be read" in report.reason
    assert owner.venue.sent == []


async def test_other_symbols_are_bought_where_no_limit_needs_all_positions(
    rig: Rig, owner: Owner, faults: Faults
) -> None:
    assert (await rig.carry(owner, rig.entry("0.01"))).outcome is OrderState.FILLED
    owner.context.follow(replace(owner.context.policy, limits=LimitPolicy(max_positions=5)))
    report = await rig.carry(owner, rig.entry("0.01"))
    assert report.outcome is OrderState.SKIPPED
    assert report.reason.startswith("limits cannot be judged: the position of ETH/USD cannot be read")


async def test_an_exit_waits_for_its_record_and_sells_nothing_meanwhile(
    rig: Rig, owner: Owner, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.executor.orders.exit_progress._WAIT_FIRST", 0.001)
    decision = replace(rig.close(), symbol=ETH_USD)
    task = await rig.begin(owner, decision)

    async def reported() -> bool:
        return any("an exit waits for it" in fault.reason for fault in faults.standing)

    await until(reported, "the waiting exit is reported")
    assert owner.venue.sent == []
    assert (await rig.carry(owner, rig.close())).outcome is OrderState.FILLED  # bitcoin does not wait
    await repaired(rig, "0.5")
    async with asyncio.timeout(20):
        await task
    report = next(each for each in await rig.reports() if each.order_id == decision.id)
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.5"))


async def test_an_order_ends_although_the_record_was_damaged_meanwhile(rig: Rig, owner: Owner, faults: Faults) -> None:
    await repaired(rig)
    rig.account.rests = True
    decision = replace(rig.close(), symbol=ETH_USD)
    task = await rig.begin(owner, decision)

    async def resting() -> bool:
        return bool(rig.account.orders)

    await until(resting, "the order rests")
    await damage(rig)
    order = rig.account.orders[-1]
    rig.account.finish(
        order.venue_order_id, Decimal(1), Price(Decimal(3000), ETH_USD), Quantity(Decimal(1), "ETH"), rig.clock.now
    )
    async with asyncio.timeout(20):
        await task
    (report,) = await rig.reports()
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal(1))
    assert any(f"order {order.venue_order_id} is not booked in it" in fault.reason for fault in faults.standing)


async def test_reconciliation_judges_what_it_can_read(rig: Rig, owner: Owner, faults: Faults) -> None:
    rig.clock.now += 60_000
    rig.account.balances["BTC"] = Decimal("0.02")
    reconciling = reconciler(owner.context, lambda: ())
    found = await reconciling.check()
    assert list(found.differences) == [BTC_USD]
    assert found.reason.startswith("ETH/USD cannot be read: ")
    assert not await reconciling.repair(ETH_USD)
    assert await reconciling.repair(BTC_USD)


async def test_a_note_of_an_own_exit_that_cannot_be_read_hides_no_other(rig: Rig, owner: Owner, faults: Faults) -> None:
    await rig.bus.do("HSET", keys.own_exits(USER, "kraken"), "ETH/USD", "much")
    async with guarding(rig, owner):
        pass
    assert [fault.subject for fault in faults.standing] == ["alice (kraken) own exit of ETH/USD"]
    owner.context.faults.clear_all()
    assert faults.standing == ()


async def test_positions_of_another_type_are_not_taken_for_none(rig: Rig, owner: Owner, faults: Faults) -> None:
    await rig.bus.do("DEL", keys.positions(USER, "kraken"))
    await rig.bus.do("SET", keys.positions(USER, "kraken"), "no hash")
    async with guarding(rig, owner) as guardian:
        await guardian.look()
    assert not guardian.flat
    assert "alice (kraken) position every position" in {fault.subject for fault in faults.standing}


async def test_a_lease_or_redis_that_is_lost_still_ends_the_turn(
    rig: Rig, owner: Owner, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise BusUnavailable("READONLY")

    monkeypatch.setattr(owner.context.risk, "look", refused)
    async with guarding(rig, owner) as guardian:
        with pytest.raises(BusUnavailable):
            await guardian.look()
