"""Resting buys: placed, amended and cancelled with the master's; what fills is booked as it is seen, and compared at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from services.executor.turn.order_reader import StreamReader
from services.executor.turn.user_turn import UserTurn
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.limits.policy import OrdersMode
from shared.domain.mirror import MirrorAction
from shared.domain.order import OrderState, leg_id
from shared.domain.values.money import Price
from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable
from tests.integration.executor.mirroring.mirror_rig import MirrorRig
from tests.integration.executor.rig import PATIENCE, USER, Owner, crash, until
from tests.support.examples import BTC_USD, btc, btc_price

ALL, NOTHING = Decimal("0.05"), Decimal(0)


async def test_an_order_is_placed_once_at_the_master_s_limit_and_rests(mirrored: MirrorRig, owner: Owner) -> None:
    mirrored.post_only = True
    await Records(mirrored.bus).write_prices("kraken", [btc_price("60000")], mirrored.rig.clock.now)
    async with mirrored.served(owner):
        await mirrored.place()
        leg = await mirrored.resting()
        assert (leg.client_order_id, leg.size, leg.limit_price) == (mirrored.order_id, btc("0.05"), btc_price("59000"))
        assert (leg.rests, leg.post_only) == (True, True)
        await mirrored.acknowledged()
        record = await mirrored.record()
    assert (record["state"], record["venue_order_id"]) == ("accepted", leg.venue_order_id)
    assert len(mirrored.legs) == 1
    assert "market" not in record, "an order that rests waits for its own price"
    assert await mirrored.rig.reports() == []


async def test_a_user_who_begins_to_mirror_within_a_turn_is_heard_without_another_turn(
    mirrored: MirrorRig, owner: Owner
) -> None:
    rig = mirrored.rig
    reader = StreamReader(rig.bus)
    user_turn = UserTurn(rig.bus, reader, {"kraken": owner.context}, owner.lease, USER, asyncio.Event())
    tasks = [asyncio.create_task(user_turn.serve()), asyncio.create_task(reader.run())]
    try:
        await until(lambda: _connected(user_turn), "the turn has begun")
        assert not await rig.bus.do("EXISTS", keys.resting(USER)), "none is created for a user who copies fills"
        assert user_turn.follow(replace(owner.context.policy, orders=OrdersMode.MIRROR))
        await mirrored.place()
        await mirrored.resting()
        assert user_turn.follow(replace(owner.context.policy, orders=OrdersMode.FILLS))
        await mirrored.end()
        assert (await mirrored.outcome())[0] is not OrderState.FILLED
    finally:
        for task in tasks:
            await crash(task)


async def _connected(user_turn: UserTurn) -> bool:
    return user_turn.connected


async def test_a_fill_is_booked_as_it_is_seen_and_counts_as_one_trade(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        mirrored.fill("0.02")
        await mirrored.held("0.02")
        mirrored.fill("0.03")
        await mirrored.held("0.05")
        await mirrored.end(filled="0.1")
        assert await mirrored.outcome() == (OrderState.FILLED, "", ALL)
        risk = await mirrored.rig.bus.do("HGET", keys.risk(USER, "kraken"), "trades_today")
    position = await mirrored.rig.position()
    assert position is not None
    assert position.cost.amount == Decimal("0.05") * 59_000 * Decimal("1.004")
    assert risk == "1"


async def test_a_cancelled_order_is_cancelled_and_nothing_is_bought(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.end()
        assert await mirrored.outcome() == (OrderState.EXPIRED, "master_cancelled", NOTHING)
    assert await mirrored.rig.position() is None


async def test_an_amended_order_is_ended_before_the_rest_goes_out_under_another_id(
    mirrored: MirrorRig, owner: Owner
) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        first = await mirrored.resting()
        mirrored.fill("0.02")
        await mirrored.amend(limit="58000", filled="0.03")
        second = await mirrored.resting(limit="58000", size="0.03")
        assert second.client_order_id == leg_id(mirrored.order_id, 2)
        assert first.venue_order_id != second.venue_order_id
        await mirrored.held("0.02")
        mirrored.fill("0.03")
        await mirrored.end(filled="0.1")
        assert (await mirrored.outcome())[2] == ALL
    assert len(mirrored.legs) == 2


async def test_a_size_that_the_master_changes_changes_the_user_s_in_proportion(
    mirrored: MirrorRig, owner: Owner
) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting(size="0.05")
        await mirrored.amend(size="0.2")
        await mirrored.resting(size="0.1")
        await mirrored.amend(size="0.02")
        await mirrored.resting(size="0.01")
        await mirrored.end()
        await mirrored.outcome()


async def test_a_fill_of_the_master_s_that_changes_no_terms_leaves_the_order_alone(
    mirrored: MirrorRig, owner: Owner
) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        leg = await mirrored.resting()
        await mirrored.amend(filled="0.05")
        await mirrored.acknowledged()
        calls = owner.venue.calls["order"]

        async def looked() -> bool:
            return owner.venue.calls["order"] > calls + 3

        await until(looked, "it is looked at again")
        assert [each.venue_order_id for each in mirrored.open] == [leg.venue_order_id]
        assert owner.venue.calls["cancel"] == 0


async def test_a_cancel_that_meets_a_fill_is_a_fill(mirrored: MirrorRig, owner: Owner) -> None:
    mirrored.rig.account.fills_on_cancel = True
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.end()
        outcome, _, filled = await mirrored.outcome()
        report = await mirrored.report()
    assert (outcome, filled) == (OrderState.FILLED, ALL)
    assert "0.05 BTC more than the user's share of 0, kept" in report.reason
    await mirrored.held("0.05")


async def test_an_amendment_that_meets_a_fill_sends_no_second_order(mirrored: MirrorRig, owner: Owner) -> None:
    mirrored.rig.account.fills_on_cancel = True
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.amend(limit="58000")
        await mirrored.held("0.05")
        await mirrored.end(filled="0.1")
        assert await mirrored.outcome() == (OrderState.FILLED, "", ALL)
    assert len(mirrored.legs) == 1


async def test_what_the_master_filled_and_the_user_did_not_is_bought_once_at_the_end(
    mirrored: MirrorRig, owner: Owner
) -> None:
    mirrored.rig.market.prices[BTC_USD] = Decimal("59100")
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        mirrored.fill("0.01")
        await mirrored.end(filled="0.08")
        outcome, _, filled = await mirrored.outcome()
        report = await mirrored.report()
    assert (outcome, filled) == (OrderState.FILLED, Decimal("0.04"))
    late = mirrored.legs[-1]
    assert (late.size, late.rests, late.client_order_id) == (btc("0.03"), False, leg_id(mirrored.order_id, 2))
    assert late.limit_price == Price(Decimal("59295"), BTC_USD)  # the master's limit and 50 bps
    assert "caught up" in report.reason
    await mirrored.held("0.04")


@pytest.mark.parametrize("dearer", [True, False])
async def test_nothing_is_bought_at_the_end_above_the_bound_or_too_late(
    mirrored: MirrorRig, owner: Owner, dearer: bool
) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        mirrored.fill("0.01")
        await mirrored.held("0.01")
        if dearer:
            mirrored.rig.market.prices[BTC_USD] = Decimal("60000")
        else:
            mirrored.rig.market.prices[BTC_USD] = Decimal("58900")
            owner.context.policy = replace(
                owner.context.policy, guards=replace(owner.context.policy.guards, max_signal_age_ms=1)
            )
            mirrored.rig.clock.now += 10
        await mirrored.end(filled="0.1")
        mirrored.rig.clock.now += 0 if dearer else 10
        outcome, code, filled = await mirrored.outcome()
        report = await mirrored.report()
    assert (outcome, filled) == (OrderState.PARTIAL, Decimal("0.01"))
    assert "0.04 BTC less than the user's share of 0.05" in report.reason
    if not dearer:
        assert code == "stale"
    await mirrored.held("0.01")


@pytest.mark.parametrize("mode", ["pause", "close_only", "flatten"])
async def test_what_stops_entries_cancels_a_resting_buy_and_it_is_not_placed_again(
    mirrored: MirrorRig, owner: Owner, mode: str
) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.rig.switch(mode)

        async def cancelled() -> bool:
            return not mirrored.open

        await until(cancelled, "it is cancelled")
        await mirrored.rig.switch("run")
        await mirrored.amend(limit="58500")
        await mirrored.acknowledged()
        await mirrored.end()
        assert await mirrored.outcome() == (OrderState.EXPIRED, "kill_switch", NOTHING)
    assert len(mirrored.legs) == 1


async def test_halt_sends_nothing_and_cancels_nothing(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.rig.switch("halt")
        await mirrored.end()
        await mirrored.acknowledged()
        calls = owner.venue.calls["order"]

        async def looked() -> bool:
            return owner.venue.calls["order"] > calls + 3

        await until(looked, "it is looked at under the halt")
        assert owner.venue.calls["cancel"] == 0
        assert len(mirrored.open) == 1
        await mirrored.rig.switch("run")
        assert await mirrored.outcome() == (OrderState.EXPIRED, "master_cancelled", NOTHING)


async def test_a_halt_before_the_master_s_cancel_holds_though_both_come_while_the_leg_is_looked_at(
    mirrored: MirrorRig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, both = OrderStore.load, asyncio.Event()

    async def both_meanwhile(store: OrderStore, order_id: str) -> Mapping[str, str]:
        if mirrored.open and not both.is_set():
            both.set()
            await mirrored.rig.switch("halt")
            await mirrored.end()
            await mirrored.acknowledged()
        return await load(store, order_id)

    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        monkeypatch.setattr(OrderStore, "load", both_meanwhile)
        await asyncio.wait_for(both.wait(), PATIENCE)
        calls = owner.venue.calls["order"]

        async def looked() -> bool:
            return owner.venue.calls["cancel"] > 0 or owner.venue.calls["order"] > calls + 3

        await until(looked, "it is looked at under the halt")
        assert owner.venue.calls["cancel"] == 0
        await mirrored.rig.switch("run")
        assert await mirrored.outcome() == (OrderState.EXPIRED, "master_cancelled", NOTHING)


async def test_a_master_that_is_not_seen_any_more_ends_a_resting_buy(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        mirrored.rig.clock.now += 121_000

        async def cancelled() -> bool:
            return not mirrored.open

        await until(cancelled, "it is cancelled")
        await mirrored.masters_seen()
        await mirrored.end()
        assert await mirrored.outcome() == (OrderState.EXPIRED, "master_silent", NOTHING)


async def test_an_order_whose_master_s_order_is_gone_without_a_word_is_given_up(
    mirrored: MirrorRig, owner: Owner
) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        mirrored.watched = False
        await mirrored.masters_seen(open_=False)
        calls = owner.venue.calls["order"]

        async def looked() -> bool:
            return owner.venue.calls["order"] > calls + 2

        await until(looked, "its absence is noticed")
        assert mirrored.open, "not at once: the word may be on its way"
        mirrored.rig.clock.now += 100_000
        await mirrored.masters_seen(open_=False)
        mirrored.rig.clock.now += 21_000
        outcome, _, filled = await mirrored.outcome()
        report = await mirrored.report()
    assert (outcome, filled) == (OrderState.EXPIRED, NOTHING)
    assert "no longer among its open ones" in report.reason


async def test_a_user_who_follows_no_more_has_no_order_left(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        owner.context.policy = replace(owner.context.policy, enabled=False)
        outcome, _, _ = await mirrored.outcome()
    assert outcome is OrderState.EXPIRED


async def test_an_order_that_the_user_cancels_by_hand_is_not_placed_again_nor_bought(
    mirrored: MirrorRig, owner: Owner
) -> None:
    mirrored.rig.market.prices[BTC_USD] = Decimal("59100")
    async with mirrored.served(owner):
        await mirrored.place()
        leg = await mirrored.resting()
        mirrored.rig.account.end(leg.venue_order_id, mirrored.rig.clock.now, "User requested")

        async def noticed() -> bool:
            return (await mirrored.record()).get("state") == "planned"

        await until(noticed, "its end is noticed")
        await mirrored.end(filled="0.1")
        assert await mirrored.outcome() == (OrderState.EXPIRED, "ended_at_venue", NOTHING)
    assert len(mirrored.legs) == 1


async def test_an_order_that_the_venue_refuses_is_made_up_for_at_the_end(mirrored: MirrorRig, owner: Owner) -> None:
    mirrored.rig.market.prices[BTC_USD] = Decimal("59100")
    owner.venue.fail("place", Rejected("EOrder:Post only order"))
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.acknowledged()

        async def refused() -> bool:
            return owner.venue.calls["place"] == 1 and (await mirrored.record()).get("state") == "planned"

        await until(refused, "it is refused")
        await mirrored.end(filled="0.1")
        assert (await mirrored.outcome())[0::2] == (OrderState.FILLED, ALL)
    assert len(mirrored.legs) == 1


async def test_a_lost_reply_places_no_second_order(mirrored: MirrorRig, owner: Owner) -> None:
    owner.venue.fail("place", OutcomeUnknown("reply lost"), after_accept=True)
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.end()
        await mirrored.outcome()
    assert len(mirrored.legs) == 1


async def test_an_order_that_was_not_sent_is_sent_again(mirrored: MirrorRig, owner: Owner) -> None:
    owner.venue.fail("place", Unavailable("rate limit", 0.01), times=2)
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.end()
        await mirrored.outcome()
    assert len(mirrored.legs) == 1


async def test_a_cancel_that_fails_is_repeated_until_the_order_has_ended(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        owner.venue.fail("cancel", Unavailable("busy"), times=2)
        owner.venue.fail("cancel", Rejected("EGeneral:Permission denied"), times=1)
        await mirrored.end()
        await mirrored.outcome()
    assert owner.venue.calls["cancel"] >= 4


async def test_a_decision_to_skip_is_reported_and_nothing_is_placed(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.decide(MirrorAction.PLACE, skip="below venue minimum")
        report = await mirrored.report()
        await mirrored.end(filled="0.1")
        await mirrored.acknowledged()
    assert report.outcome is OrderState.SKIPPED
    assert mirrored.legs == []


async def test_fills_of_a_mirrored_order_are_not_copied_and_others_are(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        fill = replace(mirrored.rig.entry("0.02"), master_order_id=mirrored.master_order_id)
        other = replace(mirrored.rig.entry("0.01"), master_order_id="OOTHER-00001-AAAAAA")
        await mirrored.rig.append(fill)
        await mirrored.rig.append(other)

        async def both() -> bool:
            return len(await mirrored.rig.reports()) == 2

        await until(both, "both fills have an outcome")
        outcomes = {each.order_id: (each.outcome, each.code) for each in await mirrored.rig.reports()}
        await mirrored.end(filled="0.02")
        await mirrored.outcome()
        late = replace(mirrored.rig.entry("0.02"), master_order_id=mirrored.master_order_id)
        await mirrored.rig.append(late)

        async def third() -> bool:
            return any(each.order_id == late.id for each in await mirrored.rig.reports())

        await until(third, "a late fill has an outcome")
        (of_late,) = [each for each in await mirrored.rig.reports() if each.order_id == late.id]
    assert outcomes[fill.id] == (OrderState.SKIPPED, "mirrored")
    assert outcomes[other.id] == (OrderState.FILLED, "")
    assert (of_late.outcome, of_late.code) == (OrderState.SKIPPED, "mirrored")


async def test_an_order_whose_fill_was_copied_before_is_not_mirrored(mirrored: MirrorRig, owner: Owner) -> None:
    async with mirrored.served(owner):
        fill = replace(mirrored.rig.entry("0.02"), master_order_id=mirrored.master_order_id)
        await mirrored.rig.append(fill)
        await mirrored.held("0.02")
        await mirrored.place()
        assert (await mirrored.report()).code == "copied_by_fills"
        await mirrored.end(filled="0.1")
        await mirrored.acknowledged()
    assert len(mirrored.legs) == 1
    await mirrored.held("0.02")


async def test_a_resting_order_holds_its_room_against_other_entries_once(mirrored: MirrorRig, owner: Owner) -> None:
    """The account has 10,000: 3,000 rest, then 7,000 are free, as long as both are asked for."""
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        await mirrored.rig.append(mirrored.rig.entry("0.13"))

        async def settled() -> bool:
            return bool(await mirrored.rig.reports())

        await until(settled, "the other entry has an outcome")
        (report,) = await mirrored.rig.reports()
        await mirrored.end()
        await mirrored.outcome()
    assert report.outcome in {OrderState.PARTIAL, OrderState.FILLED}
    assert report.filled_size is not None
    assert Decimal("0.11") < report.filled_size < Decimal("0.118")


async def test_a_key_that_may_not_cancel_leaves_nothing_to_rest(mirrored: MirrorRig, owner: Owner) -> None:
    """Yet what the master's order fills is made up for at its end."""
    mirrored.rig.market.prices[BTC_USD] = Decimal("59100")
    mirrored.rig.account.may_cancel = False
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.acknowledged()

        async def asked() -> bool:
            return owner.venue.calls["may_cancel"] == 1

        await until(asked, "the key is asked for its right")
        await mirrored.end(filled="0.1")
        assert (await mirrored.outcome())[0::2] == (OrderState.FILLED, ALL)
    assert [leg.rests for leg in mirrored.legs] == [False]


async def test_a_user_who_copies_fills_again_gets_none_of_an_order_that_is_mirrored(
    mirrored: MirrorRig, owner: Owner
) -> None:
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        owner.context.policy = replace(owner.context.policy, orders=OrdersMode.FILLS)
        fill = replace(mirrored.rig.entry("0.02"), master_order_id=mirrored.master_order_id)
        await mirrored.rig.append(fill)

        async def settled() -> bool:
            return bool(await mirrored.rig.reports())

        await until(settled, "the fill has an outcome")
        (report,) = await mirrored.rig.reports()
        await mirrored.end()
        await mirrored.outcome()
    assert (report.outcome, report.code) == (OrderState.SKIPPED, "mirrored")
