"""Exits on a fake venue: never lost, never blocked, never more than is held."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from unittest.mock import AsyncMock

import pytest

from shared.domain.order import OrderState, leg_id
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import VenueOrderStatus
from tests.integration.executor.rig import Owner, Rig, crash, until
from tests.support.examples import btc, btc_price


async def bought(rig: Rig, owner: Owner, size: str = "0.05") -> None:
    """Hold something from copying."""
    assert (await rig.carry(owner, rig.entry(size))).outcome is OrderState.FILLED


async def open_order(rig: Rig) -> str:
    """Wait for an order that rests at the venue; answers its id there."""

    async def resting() -> bool:
        return any(order.status is VenueOrderStatus.OPEN for order in rig.account.orders)

    await until(resting, "an order rests")
    return next(order.venue_order_id for order in rig.account.orders if order.status is VenueOrderStatus.OPEN)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an exit that is refused again and again try in milliseconds: five refusals take half a minute otherwise."""
    monkeypatch.setattr("services.executor.orders.exit_progress._WAIT_FIRST", 0.001)


async def size_held(rig: Rig) -> Decimal:
    position = await rig.position()
    return position.size.amount if position else Decimal(0)


async def test_exit_is_a_fraction_of_what_is_held(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    rig.account.move("BTC", Decimal(3))  # a deposit of the user's own
    report = await rig.carry(owner, rig.close("0.37"))
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.0185"))
    report = await rig.carry(owner, rig.close("1"))
    assert (report.filled_size, await rig.position()) == (Decimal("0.0315"), None)
    assert rig.account.balances["BTC"] == 3


async def test_an_exit_that_fills_in_parts_goes_on_in_legs_with_ids_of_their_own(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    rig.account.rests = True
    decision = rig.close()
    task = await rig.begin(owner, decision)
    rig.account.finish(await open_order(rig), Decimal("0.4"), btc_price(60_000), btc("0.05"), rig.clock.now)

    async def second() -> bool:
        return len(owner.venue.sent) == 3

    await until(second, "the second leg is sent")
    assert await size_held(rig) == Decimal("0.03")
    rig.account.finish(await open_order(rig), Decimal(1), btc_price(61_000), btc("0.03"), rig.clock.now)
    await task
    assert [sent.client_order_id for sent in owner.venue.sent[1:]] == [decision.id, leg_id(decision.id, 2)]
    assert [sent.size for sent in owner.venue.sent[1:]] == [btc("0.05"), btc("0.03")]
    report = (await rig.reports())[-1]
    assert (report.outcome, report.filled_size, report.average_price) == (
        OrderState.FILLED, Decimal("0.05"), Decimal(60_600),
    )  # fmt: skip
    assert await rig.position() is None


async def test_the_next_owner_sells_the_rest_of_an_exit_and_no_more(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    rig.account.rests = True
    decision = rig.close()
    task = await rig.begin(owner, decision)
    rig.account.finish(await open_order(rig), Decimal("0.4"), btc_price(60_000), btc("0.05"), rig.clock.now)
    await open_order(rig)
    await crash(task)
    rig.account.finish(await open_order(rig), Decimal("0.5"), btc_price(60_000), btc("0.03"), rig.clock.now)
    rig.account.rests = False
    report = await rig.carry(await rig.start(), decision, redelivered=True)
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.05"))
    assert rig.account.balances["BTC"] == 0
    assert await rig.position() is None


async def test_a_rest_that_the_venue_would_refuse_ends_the_exit_as_partial(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.0001")
    rig.account.fill_share = Decimal("0.9")
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.filled_size) == (OrderState.PARTIAL, Decimal("0.00009"))
    assert "dust" in report.reason


async def test_what_a_coarser_lot_leaves_is_said_to_be_dust(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venue can make the lots of a pair coarser while it is held: an exit of everything then leaves what is below one."""
    await bought(rig, owner, "0.0512345")
    listed = await owner.venue.instruments()
    coarser = {symbol: replace(each, lot_step=Decimal("0.00001")) for symbol, each in listed.items()}
    monkeypatch.setattr(owner.venue, "instruments", AsyncMock(return_value=coarser))
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.05123"))
    assert await size_held(rig) == Decimal("0.0000045")
    assert "dust: 0.0000045 BTC stays held" in report.reason


async def test_an_exit_that_leaves_nothing_or_enough_to_sell_speaks_of_no_dust(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    assert "dust" not in (await rig.carry(owner, rig.close("0.5"))).reason
    assert "dust" not in (await rig.carry(owner, rig.close())).reason
    assert await rig.position() is None


async def test_balance_lags_fill(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    rig.account.move("BTC", Decimal("-0.05"))
    task = await rig.begin(owner, rig.close())

    async def refused() -> bool:
        return owner.venue.calls["place"] == 2

    await until(refused, "the sale is refused")
    rig.account.move("BTC", Decimal("0.05"))
    await task
    report = (await rig.reports())[-1]
    assert (report.outcome, report.filled_size, await rig.position()) == (OrderState.FILLED, Decimal("0.05"), None)


@pytest.mark.parametrize(
    "failure",
    [
        Rejected("EService:Market in cancel_only mode", Refusal.HALTED),
        Rejected("EOrder:Something new"),
        Rejected("deadline", Refusal.DEADLINE),
        Unavailable("EService:Busy"),
    ],
)
async def test_whatever_the_venue_refuses_an_exit_with_it_is_tried_again(
    rig: Rig, owner: Owner, failure: Exception
) -> None:
    await bought(rig, owner)
    owner.venue.fail("place", failure)
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, await rig.position()) == (OrderState.FILLED, None)


async def test_an_exit_whose_reply_was_lost_is_not_sold_twice(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    rig.account.move("BTC", Decimal(1))
    owner.venue.fail("place", OutcomeUnknown("timed out"), after_accept=True)
    await rig.carry(owner, rig.close())
    assert rig.account.balances["BTC"] == 1
    assert len(rig.account.orders) == 2


async def test_an_exit_waits_for_a_parked_account_and_is_sold_when_it_is_back(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner)
    owner.venue.fail("place", Rejected("EAPI:Invalid key", Refusal.AUTH))
    task = await rig.begin(owner, rig.close())
    await owner.context.account.until_parked()
    asked = owner.venue.calls.total()
    await asyncio.sleep(1.5)  # longer than its first pause: it must not try in that time
    assert (task.done(), owner.venue.calls.total()) == (False, asked)
    await owner.context.account.read()
    await task
    assert ((await rig.reports())[-1].outcome, await rig.position()) == (OrderState.FILLED, None)


async def test_halt_stops_an_exit_and_letting_go_lets_it_through(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner)
    await rig.switch("halt")
    task = await rig.begin(owner, rig.close())
    await asyncio.sleep(1.0)  # two looks at the switch
    assert (task.done(), owner.venue.calls["place"]) == (False, 1)
    await rig.switch("run")
    await task
    assert ((await rig.reports())[-1].outcome, await rig.position()) == (OrderState.FILLED, None)


@pytest.mark.parametrize("mode", ["pause", "close_only"])
async def test_close_only_lets_exits_through(rig: Rig, owner: Owner, mode: str) -> None:
    await bought(rig, owner)
    await rig.switch(mode)
    assert (await rig.carry(owner, rig.close())).outcome is OrderState.FILLED


async def test_an_old_exit_is_sold_all_the_same(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner)
    decision = rig.close()
    rig.clock.now += 3 * 3600 * 1000
    assert (await rig.carry(owner, decision)).outcome is OrderState.FILLED


async def test_what_shoal_did_not_buy_is_not_sold(rig: Rig, owner: Owner) -> None:
    rig.account.move("BTC", Decimal(1))
    report = await rig.carry(owner, rig.close())
    assert (report.outcome, report.reason) == (OrderState.SKIPPED, "nothing is held from copying")
    assert owner.venue.sent == []


@pytest.mark.usefixtures("short_pauses")
async def test_funds_that_were_short_for_a_while_do_not_take_the_rest_of_the_position_away(
    rig: Rig, owner: Owner
) -> None:
    await bought(rig, owner, "0.0004")
    rig.account.fill_share = Decimal("0.9")
    owner.venue.fail("place", Rejected("EOrder:Insufficient funds", Refusal.FUNDS), times=5)
    report = await rig.carry(owner, rig.close("0.25"))  # 0.00009 of 0.0001; the rest of that is dust
    assert (report.outcome, report.filled_size) == (OrderState.PARTIAL, Decimal("0.00009"))
    assert await size_held(rig) == Decimal("0.00031")


@pytest.mark.usefixtures("short_pauses")
async def test_what_its_owner_has_moved_away_ends_the_exit_and_is_taken_off_the_books(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    rig.account.balances["BTC"] = Decimal("0.02")
    report = await rig.carry(owner, rig.close())
    assert (report.filled_size, rig.account.balances["BTC"]) == (Decimal("0.02"), Decimal(0))
    assert await rig.position() is None
