"""Exits whose records Redis has lost: looked up at the venue leg by leg, and never sold twice."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from shared.contracts import keys
from shared.domain.order import OrderState, leg_id
from tests.integration.executor.orders.test_exits import bought, open_order, size_held
from tests.integration.executor.rig import USER, Owner, Rig, crash, until
from tests.support.examples import btc, btc_price


async def test_redis_flushed_between_the_sale_and_its_settlement(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    decision = rig.close()
    await rig.carry(owner, decision)
    held = rig.account.balances["BTC"]
    await rig.bus.do_everywhere("FLUSHALL")
    rig.clock.now += 5_000
    later = await rig.start()
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, rig.account.balances["BTC"], len(rig.account.orders)) == (OrderState.FILLED, held, 2)


@pytest.mark.parametrize("first", ["0.4", "0"])
async def test_several_legs_that_redis_forgot_at_once_are_all_booked_and_none_is_sold_again(
    rig: Rig, owner: Owner, first: str
) -> None:
    """Found by `make chaos` seed 1, with a fail-over that lost 1.2 s: both legs and the settlement were gone."""
    await bought(rig, owner, "0.05")
    await rig.bus.do("COPY", keys.positions(USER, "kraken"), "before")
    rig.account.rests = True
    decision = rig.close("0.5")
    task = await rig.begin(owner, decision)
    rig.account.finish(await open_order(rig), Decimal(first), btc_price(60_000), btc("0.025"), rig.clock.now)
    left = btc("0.025").scaled(1 - Decimal(first))
    rig.account.finish(await open_order(rig), Decimal(1), btc_price(60_000), left, rig.clock.now)
    await task
    assert await size_held(rig) == Decimal("0.025")

    await rig.bus.do("DEL", keys.order(USER, decision.id), keys.reports(USER))
    await rig.bus.do("COPY", "before", keys.positions(USER, "kraken"), "REPLACE")
    rig.clock.now += 5_000
    rig.account.rests = False
    report = await rig.carry(await rig.start(), decision, redelivered=True)
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.025"))
    assert await size_held(rig) == rig.account.balances["BTC"] == Decimal("0.025")
    assert len(rig.account.orders) == 3


@pytest.mark.parametrize("fraction", ["0.5", "1"])
async def test_a_leg_that_filled_nothing_and_that_redis_forgot_is_followed_by_the_next_and_not_sent_again(
    rig: Rig, owner: Owner, fraction: str
) -> None:
    """Found by `make chaos` seed 4: the exchange took one id twice, which a real one may refuse or may fill."""
    await bought(rig, owner, "0.05")
    rig.account.rests = True
    decision = rig.close(fraction)
    task = await rig.begin(owner, decision)
    rig.account.finish(await open_order(rig), Decimal(0), btc_price(60_000), btc("0.05"), rig.clock.now)
    await crash(task)

    await rig.bus.do("DEL", keys.order(USER, decision.id))
    rig.clock.now += 5_000
    rig.account.rests = False
    report = await rig.carry(await rig.start(), decision, redelivered=True)
    sold = btc("0.05").scaled(Decimal(fraction)).amount
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, sold)
    ids = [order.client_order_id for order in rig.account.orders[1:]]
    assert ids == [leg_id(decision.id, 1), leg_id(decision.id, 2)]
    assert await size_held(rig) == rig.account.balances.get("BTC", Decimal(0)) == Decimal("0.05") - sold


async def test_an_exit_that_is_still_open_and_that_redis_forgot_sells_its_fraction_and_no_more(
    rig: Rig, owner: Owner
) -> None:
    """At the listing it has filled nothing, which is not what it comes to."""
    await bought(rig, owner, "0.05")
    rig.account.rests = True
    decision = rig.close("0.5")
    task = await rig.begin(owner, decision)
    resting = await open_order(rig)
    await crash(task)
    await rig.bus.do("DEL", keys.order(USER, decision.id))
    rig.clock.now += 5_000
    later = await rig.start()
    carrying = asyncio.create_task(rig.carry(later, decision, redelivered=True))

    async def followed() -> bool:
        return later.venue.calls["order"] > 0

    await until(followed, "the venue is asked what became of it")
    rig.account.rests = False
    rig.account.finish(resting, Decimal(1), btc_price(60_000), btc("0.025"), rig.clock.now)
    report = await carrying
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.025"))
    assert await size_held(rig) == rig.account.balances["BTC"] == Decimal("0.025")
    assert len(rig.account.orders) == 2
