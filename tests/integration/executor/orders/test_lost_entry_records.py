"""Entries whose records Redis has lost: looked up at the venue, and never sent a second time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.order import OrderState
from tests.integration.executor.rig import USER, Owner, Rig, crash, until
from tests.support.examples import BTC_USD, btc, btc_price, usd


async def test_redis_flushed(rig: Rig, owner: Owner, bus: Bus) -> None:
    decision = rig.entry("0.05")
    await rig.carry(owner, decision)
    await bus.do_everywhere("FLUSHALL")
    rig.clock.now += 5_000
    later = await rig.start()
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, report.filled_size, len(rig.account.orders)) == (OrderState.FILLED, Decimal("0.05"), 1)
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.05")


async def test_an_entry_that_was_copied_and_is_decided_anew_as_a_skip_is_in_the_books(rig: Rig, owner: Owner) -> None:
    """Redis lost its last writes, and the signal was too old when it came again: what was bought would be nobody's."""
    decision = rig.entry("0.05")
    await rig.carry(owner, decision)
    await rig.bus.do("DEL", keys.order(USER, decision.id), keys.reports(USER), keys.positions(USER, "kraken"))
    rig.clock.now += 5_000
    later = await rig.start()
    report = await rig.carry(later, replace(decision, copy=None, reason="too old"), redelivered=True)
    assert (report.outcome, report.code, report.filled_size) == (OrderState.FILLED, "recalled", Decimal("0.05"))
    assert report.reason.endswith("decided again as a skip: too old")
    position = await rig.position()
    assert position is not None
    assert (position.size, len(rig.account.orders)) == (btc("0.05"), 1)


async def test_an_entry_that_filled_nothing_and_that_redis_forgot_is_not_sent_again(rig: Rig, owner: Owner) -> None:
    decision = rig.entry(limit="59000")
    await rig.carry(owner, decision)
    await rig.bus.do("DEL", keys.order(USER, decision.id), keys.reports(USER))
    rig.market.prices[BTC_USD] = Decimal(58_000)  # now it would fill
    rig.clock.now += 5_000
    report = await rig.carry(await rig.start(), decision, redelivered=True)
    assert (report.outcome, len(rig.account.orders), await rig.position()) == (OrderState.EXPIRED, 1, None)


async def test_an_entry_that_is_still_open_and_that_redis_forgot_is_followed_and_not_sent_again(
    rig: Rig, owner: Owner
) -> None:
    rig.account.rests = True
    decision = rig.entry("0.05")
    task = await rig.begin(owner, decision)

    async def resting() -> bool:
        return bool(rig.account.orders)

    await until(resting, "the order rests")
    await crash(task)
    await rig.bus.do("DEL", keys.order(USER, decision.id))
    rig.clock.now += 5_000
    later = await rig.start()
    carrying = asyncio.create_task(rig.carry(later, decision, redelivered=True))

    async def followed() -> bool:
        return later.venue.calls["order"] > 0

    await until(followed, "the venue is asked what became of it")
    rig.account.finish(rig.account.orders[0].venue_order_id, Decimal(1), btc_price(60_000), btc("0.05"), rig.clock.now)
    assert ((await carrying).outcome, len(rig.account.orders)) == (OrderState.FILLED, 1)


async def test_of_two_orders_with_one_id_that_redis_forgot_the_filled_one_is_booked(rig: Rig, owner: Owner) -> None:
    """A venue may take an id again once its order has ended; whoever sent it, what was bought must be in the books."""
    decision = rig.entry("0.05")
    await rig.carry(owner, decision)
    (filled,) = rig.account.orders
    rig.account.orders.append(replace(filled, venue_order_id="again", filled=btc(0), cost=usd(0), fee=Decimal(0)))
    await rig.bus.do("DEL", keys.order(USER, decision.id), keys.reports(USER), keys.positions(USER, "kraken"))
    rig.clock.now += 5_000
    report = await rig.carry(await rig.start(), decision, redelivered=True)
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.05"))
