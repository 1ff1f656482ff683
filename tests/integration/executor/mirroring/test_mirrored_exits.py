"""Resting sales: the share of what the user holds that the master sells; an exit that is missed is the worst fault."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts import keys
from shared.domain.order import OrderState, Side
from shared.venues.errors import OutcomeUnknown, Rejected
from tests.integration.executor.mirroring.mirror_rig import MASTERS, MirrorRig
from tests.integration.executor.rig import USER, Owner, until
from tests.support.examples import BTC_USD, btc_price

HELD, NOTHING = Decimal("0.1"), Decimal(0)


@pytest.fixture
def sale(mirrored: MirrorRig) -> MirrorRig:
    """The master sells half of its position at 61,000; alice holds 0.1 BTC."""
    mirrored.side, mirrored.limit, mirrored.fraction, mirrored.size = Side.SELL, "61000", "0.5", "0.2"
    mirrored.rig.market.prices[BTC_USD] = Decimal(60_000)
    return mirrored


async def reported(sale: MirrorRig, order_id: str) -> tuple[OrderState, Decimal]:
    async def there() -> bool:
        return any(each.order_id == order_id for each in await sale.rig.reports())

    await until(there, "the exit has an outcome")
    (report,) = [each for each in await sale.rig.reports() if each.order_id == order_id]
    return report.outcome, report.filled_size or Decimal(0)


async def test_a_sale_rests_for_the_user_s_share_and_fills_with_the_master_s(sale: MirrorRig, owner: Owner) -> None:
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        leg = await sale.resting(size="0.05")
        assert (leg.side, leg.limit_price) == (Side.SELL, btc_price("61000"))
        sale.fill("0.02")
        await sale.held("0.08")
        sale.fill("0.03")
        await sale.end(filled="0.2")
        assert await sale.outcome() == (OrderState.FILLED, "", Decimal("0.05"))
    await sale.held("0.05")


async def test_what_the_master_sold_and_the_user_did_not_is_sold_at_the_end(sale: MirrorRig, owner: Owner) -> None:
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        sale.fill("0.01")
        await sale.end(filled="0.2")
        assert await sale.outcome() == (OrderState.FILLED, "", Decimal("0.05"))
    await sale.held("0.05")
    assert [leg.rests for leg in sale.legs[1:]] == [True, False]


async def test_a_master_that_sold_everything_leaves_the_user_flat(sale: MirrorRig, owner: Owner) -> None:
    sale.fraction = "1"
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting(size="0.1")
        await sale.end(filled="0.2")
        assert (await sale.outcome())[0::2] == (OrderState.FILLED, HELD)
    assert await sale.rig.position() is None


async def test_a_sale_that_the_master_cancels_in_part_sells_that_part(sale: MirrorRig, owner: Owner) -> None:
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        await sale.end(filled="0.08")
        assert await sale.outcome() == (OrderState.FILLED, "", Decimal("0.02"))
    await sale.held("0.08")


async def test_a_sale_that_the_venue_refuses_is_tried_again_and_missing_parts_are_sold_meanwhile(
    sale: MirrorRig, owner: Owner
) -> None:
    await sale.buy(owner)
    owner.venue.fail("place", Rejected("EOrder:Post only order"), times=1)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        await sale.end()
        await sale.outcome()


async def test_a_sale_that_the_user_cancelled_by_hand_still_follows_the_master_s_fills(
    sale: MirrorRig, owner: Owner
) -> None:
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        leg = await sale.resting()
        sale.rig.account.end(leg.venue_order_id, sale.rig.clock.now, "User requested")
        await sale.amend(filled="0.1")
        await sale.held("0.075")
        await sale.end(filled="0.2")
        outcome, _, filled = await sale.outcome()
    assert (outcome, filled) == (OrderState.FILLED, Decimal("0.05"))
    await sale.held("0.05")


@pytest.mark.parametrize("mode", ["pause", "flatten"])
async def test_what_stops_entries_leaves_a_resting_sale_or_sells_all(sale: MirrorRig, owner: Owner, mode: str) -> None:
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        await sale.rig.switch(mode)
        if mode == "pause":
            calls = owner.venue.calls["order"]

            async def looked() -> bool:
                return owner.venue.calls["order"] > calls + 3

            await until(looked, "it is looked at")
            assert len(sale.open) == 1
            await sale.rig.switch("run")
        else:

            async def flat() -> bool:
                return await sale.rig.position() is None

            await until(flat, "everything is sold")
            assert sale.open == []
        await sale.end()
        await sale.outcome()


async def test_an_exit_that_needs_what_rests_cancels_that_first_and_sells_no_coin_twice(
    sale: MirrorRig, owner: Owner
) -> None:
    """The account has more coins than Shoal bought: only the books keep them apart."""
    sale.rig.account.move("BTC", Decimal(1))
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        leave = sale.rig.close()
        await sale.rig.append(leave)
        assert await reported(sale, leave.id) == (OrderState.FILLED, HELD)
        await sale.end()
        assert (await sale.outcome())[0::2] == (OrderState.EXPIRED, NOTHING)
    assert await sale.rig.position() is None
    assert sale.rig.account.balances["BTC"] == 1


async def test_an_exit_that_fits_beside_what_rests_leaves_that(sale: MirrorRig, owner: Owner) -> None:
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        leave = sale.rig.close("0.4")
        await sale.rig.append(leave)
        assert await reported(sale, leave.id) == (OrderState.FILLED, Decimal("0.04"))
        assert len(sale.open) == 1
        await sale.end()
        await sale.outcome()


async def test_an_exit_that_meets_a_fill_of_what_rests_sells_the_rest_only(sale: MirrorRig, owner: Owner) -> None:
    sale.rig.account.fills_on_cancel = True
    sale.rig.account.move("BTC", Decimal(1))
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        leave = sale.rig.close()
        await sale.rig.append(leave)
        assert await reported(sale, leave.id) == (OrderState.FILLED, Decimal("0.05"))
        await sale.end()
        assert (await sale.outcome())[0::2] == (OrderState.FILLED, Decimal("0.05"))
    assert sale.rig.account.balances["BTC"] == 1


async def test_two_resting_sales_never_sell_more_than_is_held(sale: MirrorRig, owner: Owner) -> None:
    sale.rig.account.move("BTC", Decimal(1))
    await sale.buy(owner)
    sale.fraction = "0.8"
    other = replace(sale, master_order_id="OOTHER-00001-BBBBBB", limit="62000", version=0)
    async with sale.served(owner):
        await sale.place()
        await sale.resting(size="0.08")
        await other.place()
        await other.resting(2, limit="62000", size="0.02")
        await sale.end()
        await other.end()
        await sale.report()  # `outcome` finds nothing open only when both have ended
        await other.outcome()
        await sale.outcome()
    await sale.held("0.1")


async def test_a_sale_of_nothing_held_waits_and_is_placed_when_there_is_something(
    sale: MirrorRig, owner: Owner
) -> None:
    async with sale.served(owner):
        await sale.place()
        await sale.acknowledged()
        assert sale.open == []
        await sale.rig.append(sale.rig.entry("0.1"))
        await sale.held("0.1")
        await sale.resting(size="0.05")
        await sale.end()
        await sale.outcome()


async def test_a_sale_of_which_the_user_never_held_anything_ends_without_an_order(
    sale: MirrorRig, owner: Owner
) -> None:
    async with sale.served(owner):
        await sale.place()
        await sale.acknowledged()
        await sale.end(filled="0.2")
        assert await sale.outcome() == (OrderState.SKIPPED, "nothing_held", NOTHING)
    assert sale.legs == []


async def test_a_sale_of_a_user_who_follows_no_more_is_cancelled(sale: MirrorRig, owner: Owner) -> None:
    await sale.buy(owner)
    async with sale.served(owner):
        await sale.place()
        await sale.resting()
        owner.context.policy = replace(owner.context.policy, enabled=False)
        await sale.outcome()
    await sale.held("0.1")


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_exit_waits_for_a_sale_whose_outcome_is_unknown_and_then_sells_the_rest(
    sale: MirrorRig, owner: Owner, restarted: bool
) -> None:
    """Neither waits for the other, and no coin is sold twice."""
    sale.rig.account.move("BTC", Decimal(1))
    await sale.buy(owner)
    owner.venue.fail("place", OutcomeUnknown("reply lost"), after_accept=True)
    gate = owner.venue.hold("find")
    leave = sale.rig.close()

    async def unknown() -> bool:
        return (await sale.record()).get("state") == "unknown"

    async with sale.served(owner):
        await sale.place()
        await until(unknown, "the outcome is unknown")
        if not restarted:
            await sale.rig.append(leave)
            await sale.acknowledged()
            gate.set()
            assert await reported(sale, leave.id) == (OrderState.FILLED, HELD)
            await sale.end()
            await sale.outcome()
    if restarted:
        again = await sale.rig.start()
        await sale.masters_seen()
        gate = again.venue.hold("find")
        async with sale.served(again):
            await sale.rig.append(leave)
            await until(sale.rig.pending, "the exit has its place in the queue")
            gate.set()
            assert await reported(sale, leave.id) == (OrderState.FILLED, HELD)
            await sale.end()
            await sale.outcome()
    assert sale.rig.account.balances["BTC"] == 1
    assert await sale.rig.position() is None


async def test_a_sale_whose_record_cannot_be_read_is_copied_by_the_master_s_fills(
    sale: MirrorRig, owner: Owner
) -> None:
    """What the order has sold is unknown; a sale that is skipped could be missed for ever. It never sells more than is held."""
    await sale.buy(owner)
    await sale.bus.do("HSET", keys.mirrored(USER, "kraken"), MASTERS, "no record")
    async with sale.served(owner):
        leave = replace(sale.rig.close("0.5"), master_order_id=MASTERS)
        await sale.rig.append(leave)
        assert await reported(sale, leave.id) == (OrderState.FILLED, Decimal("0.05"))
        bought = replace(sale.rig.entry("0.05"), master_order_id=MASTERS)
        await sale.rig.append(bought)
        assert await reported(sale, bought.id) == (OrderState.SKIPPED, NOTHING)
    await sale.held("0.05")


async def test_a_sale_whose_record_cannot_be_read_is_not_begun_again(sale: MirrorRig, owner: Owner) -> None:
    """Its fills are copied already: a leg beside them would sell twice."""
    await sale.buy(owner)
    await sale.bus.do("HSET", keys.mirrored(USER, "kraken"), MASTERS, "no record")
    async with sale.served(owner):
        await sale.place()
        await sale.acknowledged()
        leave = replace(sale.rig.close("0.5"), master_order_id=MASTERS)
        await sale.rig.append(leave)
        assert await reported(sale, leave.id) == (OrderState.FILLED, Decimal("0.05"))
        assert sum(order.side is Side.SELL for order in sale.legs) == 1
