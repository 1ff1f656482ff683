"""What became of an order whose last send has no proven end: asked, found out, and never sent twice for want of an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.bus.errors import BusUnavailable
from shared.contracts import keys
from shared.domain.order import Decision, OrderState
from shared.execution import resolution as resolving
from shared.execution.attempt import Attempt
from shared.execution.resolution import until_search
from shared.venues.errors import OutcomeUnknown
from shared.venues.port import BeginSend, OrderAck, OrderRequest, VenueOrder
from tests.integration.executor.rig import PATIENCE, USER, Owner, Rig, crash, until
from tests.support.examples import btc, btc_price


async def test_status_unknown_is_not_filled(rig: Rig, owner: Owner) -> None:
    rig.account.rests = True
    owner.venue.fail("place", OutcomeUnknown("timed out"), after_accept=True)
    decision = rig.entry("0.05")
    task = await rig.begin(owner, decision)

    async def asked() -> bool:
        return owner.venue.calls["order"] > 1

    await until(asked, "the venue is asked")
    assert owner.venue.calls["find"] == 2  # the account's probe, and one search: then the order has a name
    record = await rig.record(decision)
    # Its name is noted at once: whoever asks next must not take it for absent.
    assert (record["state"], record["venue_order_id"]) == ("accepted", rig.account.orders[0].venue_order_id)
    assert (await rig.reports(), await rig.position(), await rig.pending()) == ([], None, 1)
    (order,) = rig.account.orders
    rig.account.finish(order.venue_order_id, Decimal("0.5"), btc_price(60_000), btc("0.05"), rig.clock.now)
    await task
    (report,) = await rig.reports()
    assert (report.outcome, report.filled_size) == (OrderState.PARTIAL, Decimal("0.025"))


async def test_market_order_resolved_after_it_filled(rig: Rig, owner: Owner) -> None:
    owner.venue.fail("place", OutcomeUnknown("502"), after_accept=True)
    rig.account.hidden_lookups = 1
    report = await rig.carry(owner, rig.entry())
    assert (report.outcome, len(rig.account.orders)) == (OrderState.FILLED, 1)


async def test_the_next_owner_finds_the_fill_whose_reply_its_predecessor_did_not_live_to_see(
    rig: Rig, owner: Owner
) -> None:
    decision = rig.entry()
    rig.account.rests = True
    task = await rig.begin(owner, decision)

    async def accepted() -> bool:
        return (await rig.record(decision)).get("state") == "accepted"

    await until(accepted, "the venue took it")
    await crash(task)
    (order,) = rig.account.orders
    rig.account.finish(order.venue_order_id, Decimal(1), btc_price(60_000), btc("0.05"), rig.clock.now)
    report = await rig.carry(await rig.start(), decision, redelivered=True)
    assert (report.outcome, report.filled_size, len(rig.account.orders)) == (OrderState.FILLED, Decimal("0.05"), 1)


async def test_an_entry_that_never_arrived_is_not_sent_late_by_the_next_owner(rig: Rig, owner: Owner) -> None:
    decision = rig.entry()
    owner.venue.hold("place")
    task = await rig.begin(owner, decision)

    async def begun() -> bool:
        return (await rig.record(decision)).get("state") == "sending"

    await until(begun, "it is written ahead")
    await crash(task)
    rig.clock.now += 60_000
    later = await rig.start()
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, rig.account.orders) == (OrderState.EXPIRED, [])
    assert later.venue.calls["find"] > 1


async def test_an_order_that_the_venue_has_named_is_not_absent_for_being_in_no_list(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "_LOST_EVERY", 0.05)
    decision = rig.entry()
    rig.account.rests = True
    task = await rig.begin(owner, decision)

    async def accepted() -> bool:
        return (await rig.record(decision)).get("state") == "accepted"

    await until(accepted, "the venue took it")
    await crash(task)
    later = await rig.start()
    rig.account.hidden_lookups = 1_000_000
    carried = asyncio.create_task(rig.carry(later, decision, redelivered=True))

    async def searched() -> bool:
        return later.venue.calls["find"] > 2  # the probe, and two that would have proved an absence

    await until(searched, "the venue's lists are searched")
    assert (await rig.record(decision))["state"] == "accepted"
    (order,) = rig.account.orders
    rig.account.hidden_lookups = 0
    rig.account.finish(order.venue_order_id, Decimal(1), btc_price(60_000), btc("0.05"), rig.clock.now)
    assert ((await carried).outcome, len(rig.account.orders)) == (OrderState.FILLED, 1)


async def _cut_off(rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Decision:
    """Have an entry written ahead by a process that loses Redis before it is told so."""
    begin = owner.context.store.begin

    async def cut_off(*args: object) -> None:
        await begin(*args)  # type: ignore[arg-type]  # whatever it is given
        raise BusUnavailable("closed by the server")

    monkeypatch.setattr(owner.context.store, "begin", cut_off)
    decision = rig.entry()
    with pytest.raises(BusUnavailable):
        await rig.carry(owner, decision)
    assert (await rig.record(decision))["state"] == "sending"
    return decision


async def test_what_was_written_ahead_without_an_answer_has_not_left_and_is_sent_without_asking(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To ask costs a key most of what it may ask, and a proof of absence eight seconds."""
    decision = await _cut_off(rig, owner, monkeypatch)
    later = await rig.start()
    later.context.sender.attempts = owner.context.sender.attempts  # the same process
    asked = later.venue.calls["find"]
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, len(rig.account.orders)) == (OrderState.FILLED, 1)
    assert later.venue.calls["find"] == asked


async def test_the_list_need_not_wait_for_what_has_not_left(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = await _cut_off(rig, owner, monkeypatch)
    await rig.bus.do("DEL", keys.order(USER, decision.id))  # it was lost before it was written
    later = await rig.start()
    later.context.sender.attempts = owner.context.sender.attempts
    waited_for: list[Attempt | None] = []
    find = later.context.history.find

    async def noted(client_order_id: str, *, decided_at: int, attempt: Attempt | None) -> VenueOrder | None:
        waited_for.append(attempt)
        return await find(client_order_id, decided_at=decided_at, attempt=attempt)

    monkeypatch.setattr(later.context.history, "find", noted)
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, len(rig.account.orders), waited_for) == (OrderState.FILLED, 1, [None])


async def _break_off(rig: Rig, owner: Owner, decision: Decision) -> None:
    """Have a decision carried out by a process that dies when the venue has taken the order and nobody knows it yet."""
    taken, place = asyncio.Event(), owner.venue.place

    async def unheard(order: OrderRequest, begin: BeginSend) -> OrderAck:
        await place(order, begin)
        taken.set()
        return await asyncio.Future()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner.venue, "place", unheard)
        task = asyncio.create_task(owner.dispatcher.run(decision, await rig.hand_out(decision), redelivered=True))
        async with asyncio.timeout(PATIENCE):
            await taken.wait()
        await crash(task)
    assert (await rig.record(decision))["state"] == "sending"


async def test_what_has_left_is_asked_about_by_the_same_process_too(rig: Rig, owner: Owner) -> None:
    decision = rig.entry()
    await _break_off(rig, owner, decision)
    later = await rig.start()
    later.context.sender.attempts = owner.context.sender.attempts
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, len(rig.account.orders)) == (OrderState.FILLED, 1)


async def test_an_attempt_that_somebody_else_has_begun_since_is_asked_about(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = await _cut_off(rig, owner, monkeypatch)
    await _break_off(rig, await rig.start(), decision)
    later = await rig.start()
    rig.account.hidden_lookups = 1
    # It remembers an attempt of a while ago that never left: not this one, which may not be visible yet.
    later.context.sender.attempts = {
        name: replace(sent, provable_at=sent.provable_at - 60) for name, sent in owner.context.sender.attempts.items()
    }
    report = await rig.carry(later, decision, redelivered=True)
    assert (report.outcome, len(rig.account.orders)) == (OrderState.FILLED, 1)


async def test_early_searches_leave_out_the_dearest_part_and_the_one_that_proves_does_not(
    rig: Rig, owner: Owner
) -> None:
    """Kraken lets a key make 20 calls at once, then one in two seconds; a search through the trades costs six of them."""
    sinces: list[int | None] = []
    owner.venue.hold("place")
    decision = rig.entry()
    task = await rig.begin(owner, decision)

    async def begun() -> bool:
        return (await rig.record(decision)).get("state") == "sending"

    await until(begun, "it is written ahead")
    await crash(task)
    later = await rig.start()
    find = later.venue.find

    async def noted(client_order_id: str, *, since: int | None) -> VenueOrder | None:
        sinces.append(since)
        return await find(client_order_id, since=since)

    later.venue.find = noted  # type: ignore[method-assign]
    report = await rig.carry(later, decision, redelivered=True)
    assert report.outcome is OrderState.FILLED
    assert sinces[:-1] == [None]
    assert sinces[-1] is not None


@pytest.mark.parametrize(("provable_in", "searches"), [(8.0, 3), (5.5, 3), (5.0, 2), (3.0, 2), (0.0, 2)])
def test_an_order_that_is_not_there_is_searched_for_seldom(provable_in: float, searches: int) -> None:
    made = 1
    left = provable_in
    while left >= 0:
        left -= until_search(left)
        made += 1
    assert made == searches


@given(st.floats(0, 1e6))
def test_the_search_that_proves_an_absence_comes_as_soon_as_it_can(provable_in: float) -> None:
    waited = 0.0
    while waited <= provable_in:
        wait = until_search(provable_in - waited)
        assert 0 < wait <= 10
        waited += wait
    assert waited <= provable_in + 0.01
