"""Orders that keep failing and are ended by the venue's record. Case R4; the reason is a damaged record here."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts import keys
from shared.domain.fault import FaultKind
from shared.domain.order import Kind, OrderState
from shared.venues.errors import OutcomeUnknown
from tests.integration.executor.damaged import fill, sent_and_damaged, standing, time_goes_on, watched
from tests.integration.executor.rig import USER, Owner, Rig, crash, until
from tests.integration.executor.turns import reported, turn

pytestmark = pytest.mark.usefixtures("short_retries")


@pytest.mark.parametrize("field", ["leg", "deadline_at", "sent_at", "target", "filled_size"])
async def test_an_entry_that_was_sent_and_keeps_failing_ends_as_the_venue_has_it(
    rig: Rig, owner: Owner, field: str
) -> None:
    """And the exit behind it sells what it bought."""
    bought = rig.entry("0.05")
    name = await sent_and_damaged(rig, owner, bought, field)
    fill(rig, name, "0.05")
    await rig.append(rig.close())
    later = await rig.start()
    faults = watched(later)
    async with turn(rig, later):
        assert await reported(rig, 2) == [OrderState.FILLED, OrderState.FILLED]
    first, second = await rig.reports()
    assert (first.order_id, first.filled_size) == (bought.id, Decimal("0.05"))
    assert "found at the venue after: " in first.reason
    assert second.filled_size == Decimal("0.05")
    assert (await rig.position(), await rig.pending(), len(rig.account.orders)) == (None, 0, 2)
    assert standing(faults, bought) == []
    assert faults.events[FaultKind.ORDER] >= 5


async def test_an_entry_that_may_have_been_sent_and_never_arrived_is_failed_and_not_sent_again(
    rig: Rig, owner: Owner
) -> None:
    decision = rig.entry()
    owner.venue.hold("place")
    task = await rig.begin(owner, decision)

    async def begun() -> bool:
        return (await rig.record(decision)).get("state") == "sending"

    await until(begun, "it is written ahead")
    await crash(task)
    await rig.bus.do("HSET", keys.order(USER, decision.id), "deadline_at", "no number")
    later = await rig.start()
    async with time_goes_on(rig), turn(rig, later):
        assert await reported(rig, 1) == [OrderState.FAILED]
    (report,) = await rig.reports()
    assert report.reason.startswith("the venue never had it (ValueError: ")
    assert (rig.account.orders, await rig.pending()) == ([], 0)


async def test_an_entry_that_was_never_sent_and_keeps_failing_is_failed(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise RuntimeError("a bug")

    faults = watched(owner)
    monkeypatch.setattr(owner.venue, "instruments", broken)
    decision = rig.entry()
    report = await rig.carry(owner, decision)
    assert (report.outcome, report.reason) == (OrderState.FAILED, "RuntimeError: a bug")
    assert (standing(faults, decision), faults.events[FaultKind.ORDER]) == ([], 5)


@pytest.mark.parametrize("kind", [Kind.ENTRY, Kind.EXIT])
async def test_the_venues_id_of_an_order_with_a_damaged_record_is_recorded_as_soon_as_it_is_found(
    rig: Rig, owner: Owner, kind: Kind
) -> None:
    """The next process does not take the order for absent, although no list shows it then."""
    if kind is Kind.EXIT:
        await rig.carry(owner, rig.entry())
    decision = rig.entry() if kind is Kind.ENTRY else rig.close()
    rig.account.rests = True
    owner.venue.fail("place", OutcomeUnknown("timed out"), after_accept=True)
    gate = owner.venue.hold("find")
    task = await rig.begin(owner, decision)

    async def unknown() -> bool:
        return (await rig.record(decision)).get("state") == "unknown"

    await until(unknown, "the reply is lost")
    await crash(task)
    gate.set()
    assert (await rig.record(decision))["venue_order_id"] == ""
    await rig.bus.do("HSET", keys.order(USER, decision.id), "filled_size", "no number")
    later = await rig.start()
    order = rig.account.orders[-1]

    async def named() -> bool:
        return (await rig.record(decision)).get("venue_order_id") == order.venue_order_id

    async with turn(rig, later):
        await until(named, "its id at the venue is recorded")
        assert (await rig.record(decision))["state"] == "accepted"
