"""Orders go before all else, but nobody waits for an order that waits itself: that would hold up all users of a process."""

from __future__ import annotations

import asyncio

import pytest

from services.executor.turn import send_priority
from shared.domain.order import Decision, OrderState
from shared.venues.errors import Refusal, Rejected, Unavailable
from tests.integration.executor.rig import PATIENCE, Owner, Rig, crash, until
from tests.integration.executor.turns import reported, served, turn


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody who waits for an order to leave give up."""
    monkeypatch.setattr(send_priority, "PATIENCE", 3_600.0)
    monkeypatch.setattr(send_priority, "LONGEST", 3_600.0)


async def begin(rig: Rig, owner: Owner, decision: Decision) -> asyncio.Task[bool]:
    """Have a decision carried out for which others wait."""
    owner.context.priority.announce(decision.id)
    return await rig.begin(owner, decision)


async def nobody_waits(owner: Owner) -> None:
    """Wait until no order is said to be about to leave; it must come to that."""
    async with asyncio.timeout(PATIENCE):
        await owner.context.priority.yield_to_sends()


async def test_an_order_does_not_wait_for_those_behind_it(rig: Rig, owner: Owner) -> None:
    """What became of the first is asked once no order is about to leave; the second is not, before that is known."""
    async with turn(rig, owner, reading=False) as reader:
        await served(reader)
        for decision in [rig.entry("0.01"), rig.entry("0.01"), rig.close("0.5"), rig.entry("0.01"), rig.close()]:
            await rig.append(decision)
        reading = asyncio.create_task(reader.run())
        assert await reported(rig, 5) == [OrderState.FILLED] * 5
        await crash(reading)


async def test_nobody_waits_for_an_order_that_may_have_been_sent_already(rig: Rig, owner: Owner) -> None:
    await rig.hand_out(rig.entry())
    second = await rig.start()
    listed = second.venue.hold("closed_orders")
    async with turn(rig, second):

        async def looked_for() -> bool:
            return second.venue.calls["closed_orders"] > 0

        await until(looked_for, "it is looked for")
        await nobody_waits(second)
        listed.set()
        assert await reported(rig, 1) == [OrderState.FILLED]


async def test_nobody_waits_for_the_orders_of_a_turn_that_has_ended(rig: Rig, owner: Owner) -> None:
    owner.venue.hold("instruments")
    async with turn(rig, owner, reading=False) as reader:
        await served(reader)
        await rig.append(rig.entry())
        reading = asyncio.create_task(reader.run())

        async def coming() -> bool:
            return bool(owner.context.priority._coming)

        await until(coming, "it is about to leave")
        waiting = asyncio.create_task(owner.context.priority.yield_to_sends())
        await asyncio.sleep(0)
        assert not waiting.done()
        await crash(reading)
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_nobody_waits_for_an_exit_of_a_parked_account(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry())
    await owner.context.account.park("EAPI:Invalid key", Refusal.AUTH)
    task = await begin(rig, owner, rig.close())
    await nobody_waits(owner)
    assert not task.done()
    await crash(task)


async def test_nobody_waits_for_an_exit_that_is_halted(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry())
    await rig.switch("halt")
    task = await begin(rig, owner, rig.close())
    await nobody_waits(owner)
    assert not task.done()
    await crash(task)


@pytest.mark.parametrize("kind", ["entry", "exit"])
@pytest.mark.parametrize(
    "refusal", [Unavailable("too many calls", 60), Rejected("the deadline passed", Refusal.DEADLINE)]
)
async def test_nobody_waits_for_an_order_that_is_to_be_tried_again(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch, kind: str, refusal: Exception
) -> None:
    await rig.carry(owner, rig.entry("0.01"))

    async def place(*_: object) -> None:
        raise refusal  # before it is begun, as the budget does

    monkeypatch.setattr(owner.venue, "place", place)
    task = await begin(rig, owner, rig.entry("0.01") if kind == "entry" else rig.close())
    await nobody_waits(owner)
    assert not task.done()
    await crash(task)
