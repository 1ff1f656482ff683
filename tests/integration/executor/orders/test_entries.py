"""Entries on a fake venue: how each answer of the venue ends, and that nothing is sent twice or late."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import structlog

from shared.bus.errors import LeaseLost
from shared.contracts import keys
from shared.domain.account import AccountState
from shared.domain.limits.policy import GuardPolicy
from shared.domain.order import OrderState
from shared.domain.reason import ReasonCode
from shared.domain.values.clock_offset import ClockOffset
from shared.runtime.clock_alarm import ClockAlarm
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.port import BeginSend, OrderAck, OrderRequest
from tests.integration.executor.rig import USER, Owner, Rig, until
from tests.support.examples import BTC_USD, btc, btc_price, usd


async def test_an_entry_is_booked_from_the_venues_record(rig: Rig, owner: Owner) -> None:
    decision = rig.entry("0.05", limit="60300")
    report = await rig.carry(owner, decision)
    assert (report.outcome, report.filled_size, report.average_price, report.fee) == (
        OrderState.FILLED, Decimal("0.05"), Decimal(60_000), Decimal(12),
    )  # fmt: skip
    position = await rig.position()
    assert position is not None
    assert (position.size, position.cost.amount) == (btc("0.05"), Decimal(3012))
    assert (await rig.record(decision))["state"] == "filled"
    assert await rig.bus.do("PTTL", keys.order(USER, decision.id)) > 0
    assert await rig.pending() == 0
    (sent,) = owner.venue.sent
    assert (sent.client_order_id, sent.limit_price) == (decision.id, btc_price(60_300))


async def test_a_record_that_redis_loses_while_the_order_is_sent_is_whole_again_with_the_venues_answer(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fail-over may lose the write-ahead of an order whose answer is on its way."""
    decision = rig.entry("0.05")
    place = owner.venue.place

    async def forgetting(order: OrderRequest, begin: BeginSend) -> OrderAck:
        accepted = await place(order, begin)
        await rig.bus.do("DEL", keys.order(USER, decision.id))
        return accepted

    monkeypatch.setattr(owner.venue, "place", forgetting)
    with structlog.testing.capture_logs() as logs:
        report = await rig.carry(owner, decision)
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.05"))
    assert len(owner.venue.sent) == 1
    assert (await rig.record(decision))["client_order_id"] == decision.id
    assert [line["event"] for line in logs if line["log_level"] == "error"] == []


async def test_a_part_that_filled_is_partial_and_only_that_part_is_held(rig: Rig, owner: Owner) -> None:
    rig.account.fill_share = Decimal("0.4")
    report = await rig.carry(owner, rig.entry("0.05"))
    assert (report.outcome, report.filled_size) == (OrderState.PARTIAL, Decimal("0.02"))
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.02")


async def test_an_entry_of_which_nothing_filled_expires_and_leaves_no_position(rig: Rig, owner: Owner) -> None:
    report = await rig.carry(owner, rig.entry(limit="59000"))
    assert (report.outcome, report.filled_size) == (OrderState.EXPIRED, Decimal(0))
    assert "nothing filled" in report.reason
    assert await rig.position() is None


async def test_a_refusal_is_rejected_in_the_venues_words(rig: Rig, owner: Owner) -> None:
    rig.account.balances["USD"] = Decimal(10)
    report = await rig.carry(owner, rig.entry())
    assert (report.outcome, report.reason) == (OrderState.REJECTED, "EOrder:Insufficient funds")
    assert await rig.position() is None
    assert owner.context.account.ready


async def test_what_an_entry_has_cost_is_gone_from_the_cash_before_the_account_is_read_again(
    rig: Rig, owner: Owner
) -> None:
    """Signals of a burst are a few milliseconds apart, readings of the balances are not."""
    await rig.carry(owner, rig.entry("0.1", limit="60000"))
    report = await rig.carry(owner, rig.entry("0.1", limit="60000"))
    assert report.outcome is OrderState.FILLED
    assert report.filled_size == Decimal(
        "0.06600265"
    )  # 10,000 less 6,000 and its fee of 0.4 %, less the fee of the second
    assert "cut from 0.1 to 0.06600265 by available funds" in report.reason
    assert rig.account.balances["USD"] >= 0
    rig.account.balances["USD"] = Decimal(6_024)
    rig.clock.now += 1
    await owner.context.account.read()
    assert (await rig.carry(owner, rig.entry("0.1", limit="60000"))).filled_size == Decimal("0.1")


async def test_what_an_exit_has_brought_is_in_the_cash_before_the_account_is_read_again(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.1", limit="60000"))
    await rig.carry(owner, rig.close())
    report = await rig.carry(owner, rig.entry("0.16", limit="60000"))  # 9,600 and 38.40 of fee, out of 9,952
    assert (report.outcome, report.filled_size) == (OrderState.FILLED, Decimal("0.16"))


async def test_a_sale_that_ended_before_the_reading_is_in_it_already(rig: Rig, owner: Owner) -> None:
    """It is booked later by an owner who takes it over: counted again it would be money that is not there."""
    await rig.carry(owner, rig.entry("0.1", limit="60000"))
    await rig.carry(owner, rig.close())
    bought, sold = rig.account.orders
    rig.clock.now += 1
    account = owner.context.account
    await account.read()
    assert account.after_trades() == account.latest
    account.traded(sold)
    assert account.after_trades() == account.latest
    account.traded(bought)
    latest, left = account.latest, account.after_trades()
    assert latest is not None
    assert left is not None
    assert latest.cash is not None
    assert left.cash == latest.cash - usd(6024)


async def test_a_turn_is_connected_from_its_first_answer_on(rig: Rig, owner: Owner) -> None:
    """From then on nothing that was signed before is taken any more, which is what a proof of absence counts from."""
    connected_at = owner.context.account.connected_at
    rig.clock.now += 5_000
    await owner.context.account.read()
    assert owner.context.account.connected_at == connected_at > 0
    assert (await rig.start()).context.account.connected_at >= connected_at + 5_000


async def test_an_entry_that_bought_nothing_has_cost_nothing(rig: Rig, owner: Owner) -> None:
    assert (await rig.carry(owner, rig.entry("0.1", limit="59000"))).outcome is OrderState.EXPIRED
    assert (await rig.carry(owner, rig.entry("0.16", limit="60000"))).filled_size == Decimal("0.16")


async def test_fee_taken_in_base_leaves_less_than_bought(rig: Rig, owner: Owner) -> None:
    rig.account.fee_in_base = True
    await rig.carry(owner, rig.entry("0.05"))
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.0498")


async def test_an_entry_past_its_age_expires_unsent(rig: Rig, owner: Owner) -> None:
    decision = rig.entry()
    rig.clock.now += 30_001
    report = await rig.carry(owner, decision)
    assert (report.outcome, owner.venue.sent) == (OrderState.EXPIRED, [])


@pytest.mark.parametrize(
    ("fresh_for", "waited", "outcome"),
    [
        (30_000, 26_900, OrderState.FILLED),
        (30_000, 27_100, OrderState.EXPIRED),
        (2_000, 900, OrderState.FILLED),  # a short age keeps half of itself for the way to the executor
        (2_000, 1_100, OrderState.EXPIRED),
    ],
)
async def test_an_entry_that_could_arrive_past_its_age_expires_unsent(
    rig: Rig, owner: Owner, fresh_for: int, waited: int, outcome: OrderState
) -> None:
    """The venue takes no deadline that is nearer than 3 s: one sent later could buy after the age has ended."""
    owner.context.sender.timing = replace(owner.context.sender.timing, shortest_life_ms=3_000)
    decision = rig.entry(fresh_for=fresh_for)
    rig.clock.now += waited
    report = await rig.carry(owner, decision)
    assert (report.outcome, len(owner.venue.sent)) == (outcome, 1 if outcome is OrderState.FILLED else 0)
    if outcome is OrderState.EXPIRED:
        left = (fresh_for - waited) / 1000
        assert report.reason.startswith(f"{left:.1f} s before the age this user accepts ends")
        assert report.code == ReasonCode.STALE


async def test_an_entrys_deadline_at_the_venue_is_no_later_than_the_end_of_its_age(rig: Rig, owner: Owner) -> None:
    """`entry_arrives_late`: what is held up on its way must not buy after it."""
    decision = rig.entry()
    rig.clock.now += 29_000
    await rig.carry(owner, decision)
    assert decision.copy is not None
    assert int((await rig.record(decision))["deadline_at"]) == decision.copy.not_after
    owner.context.policy = replace(owner.context.policy, guards=GuardPolicy(max_signal_age_ms=20_000))
    shorter = rig.entry()
    rig.clock.now += 19_000
    await rig.carry(owner, shorter)
    assert int((await rig.record(shorter))["deadline_at"]) == shorter.signal_at + 20_000, "by the settings of now"


@pytest.mark.parametrize("mode", ["pause", "close_only", "halt"])
async def test_a_switch_that_is_set_before_the_send_skips_the_entry(rig: Rig, owner: Owner, mode: str) -> None:
    await rig.switch(mode)
    report = await rig.carry(owner, rig.entry())
    assert (report.outcome, report.reason) == (OrderState.SKIPPED, f"{mode} is set: a test")
    assert owner.venue.sent == []


async def test_what_the_venue_did_not_process_is_sent_again_until_it_is(rig: Rig, owner: Owner) -> None:
    owner.venue.fail("place", Unavailable("EService:Busy"), times=2)
    decision = rig.entry()
    assert (await rig.carry(owner, decision)).outcome is OrderState.FILLED
    assert (await rig.record(decision))["attempts"] == "3"
    assert len(rig.account.orders) == 1


async def test_a_key_that_is_refused_parks_the_account_and_later_entries_fail_unsent(rig: Rig, owner: Owner) -> None:
    owner.venue.fail("place", Rejected("EAPI:Invalid key", Refusal.AUTH))
    first = await rig.carry(owner, rig.entry())
    assert (first.outcome, first.reason) == (OrderState.REJECTED, "EAPI:Invalid key")
    (account,) = await owner.context.records.accounts([(USER, "kraken")])
    assert account is not None
    assert (account.state, account.reason) == (AccountState.PARKED, "EAPI:Invalid key")
    second = await rig.carry(owner, rig.entry())
    assert (second.outcome, second.reason) == (OrderState.FAILED, "account is parked: EAPI:Invalid key")
    assert rig.account.orders == []


async def test_an_entry_that_is_refused_for_insufficient_funds_has_the_balances_read_again_at_once(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They sized it: until they are read, each further entry is refused as well."""
    asked: list[bool] = []
    monkeypatch.setattr(owner.context.account, "refresh_soon", lambda: asked.append(True))
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED
    assert asked == []
    owner.venue.fail("place", Rejected("EOrder:Insufficient funds", Refusal.FUNDS))
    report = await rig.carry(owner, rig.entry())
    assert (report.outcome, report.code) == (OrderState.REJECTED, ReasonCode.VENUE_FUNDS)
    assert asked == [True]


async def test_delivered_five_times(rig: Rig, owner: Owner) -> None:
    decision = rig.entry()
    await rig.carry(owner, decision)
    for _ in range(4):
        await rig.carry(owner, decision, redelivered=True)
    later = await rig.start()
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, len(rig.account.orders), await rig.pending()) == (OrderState.FILLED, 1, 0)


async def test_a_predecessor_that_wakes_up_sends_nothing(rig: Rig, owner: Owner) -> None:
    await rig.start()
    decision = rig.entry()
    entry_id = await rig.hand_out(decision)
    with pytest.raises(LeaseLost):
        await owner.dispatcher.run(decision, entry_id, redelivered=False)
    assert (rig.account.orders, await rig.record(decision)) == ([], {})


async def test_a_symbol_that_the_venue_does_not_trade_is_skipped(rig: Rig, owner: Owner) -> None:
    del rig.market.instruments[BTC_USD]
    report = await rig.carry(owner, rig.entry())
    assert (report.outcome, report.reason) == (OrderState.SKIPPED, "BTC/USD is not traded on kraken")


async def test_a_skip_is_reported_with_its_reason_and_never_reaches_the_venue(rig: Rig, owner: Owner) -> None:
    report = await rig.carry(owner, replace(rig.entry(), copy=None, reason="too small"))
    assert (report.outcome, report.reason, owner.venue.sent) == (OrderState.SKIPPED, "too small", [])


async def test_no_entry_is_sent_while_this_hosts_clock_is_far_off_and_exits_are(rig: Rig, owner: Owner) -> None:
    """Case S1: the offset is known, so that neither would be sent twice; a host that is so wrong buys nothing all the same."""
    await rig.carry(owner, rig.entry())
    offset = [ClockOffset("kraken", 0, 100)]
    owner.context.alarm = ClockAlarm(rig.faults, lambda: offset[0])
    offset[0] = ClockOffset("kraken", 4_900, 100)
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED
    offset[0] = ClockOffset("kraken", 6_200, 100)
    skipped = await rig.carry(owner, rig.entry())
    assert skipped.outcome is OrderState.SKIPPED
    assert "6.2 s ahead of kraken's" in skipped.reason
    assert (await rig.carry(owner, rig.close())).outcome is OrderState.FILLED
    assert len(owner.venue.sent) == 3


async def test_an_entry_that_came_too_late_at_the_venue_says_so_when_it_expires(rig: Rig, owner: Owner) -> None:
    """Case S2: what the venue said of the deadline is in the log and in the report."""
    owner.venue.fail("place", Rejected("EOrder:Deadline elapsed", Refusal.DEADLINE), times=1_000)
    with structlog.testing.capture_logs() as logs:
        task = await rig.begin(owner, rig.entry())

        async def tried() -> bool:
            return owner.venue.calls["place"] > 2

        await until(tried, "it is tried again")
        rig.clock.now += 31_000
        await task
    (report,) = await rig.reports()
    assert (report.outcome, "not sent before: EOrder:Deadline elapsed" in report.reason) == (OrderState.EXPIRED, True)
    assert [entry["log_level"] for entry in logs if "after its deadline" in entry["event"]] == ["warning"]
