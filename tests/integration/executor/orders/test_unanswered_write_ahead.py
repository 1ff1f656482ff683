"""What only an executor meets when it resolves an order: a write-ahead without an answer, and how dear its questions are."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.bus.errors import BusUnavailable
from shared.contracts import keys
from shared.domain.order import Decision, OrderState
from shared.execution.attempt import Attempt
from shared.venues.port import BeginSend, OrderAck, OrderRequest, VenueOrder
from tests.integration.executor.rig import PATIENCE, USER, Owner, Rig, crash, until


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
