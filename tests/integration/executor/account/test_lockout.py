"""A key that the venue has locked out is left alone: each further call would begin the lockout again."""

from __future__ import annotations

import asyncio

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.turn.send_priority import SendPriority
from shared.venues.errors import Refusal
from tests.integration.executor.rig import Owner, Rig, crash


async def test_a_reading_that_let_orders_go_first_is_not_made_after_a_lockout(rig: Rig, owner: Owner) -> None:
    priority = SendPriority()
    keeper = AccountKeeper("alice", owner.venue, owner.context.records, rig.clock, owner.context.account._key, priority)
    await keeper.read()
    read = owner.venue.calls["balances"]
    priority.announce("an order")
    reading = asyncio.create_task(keeper.run())
    await asyncio.sleep(0)  # it waits for the order to leave
    assert priority._waiting
    await keeper.park("EGeneral:Temporary lockout", Refusal.LOCKED)
    priority.release("an order")
    keeper.refresh_soon()
    for _ in range(50):  # far more turns of the loop than a reading needs to reach the venue
        await asyncio.sleep(0)
    await crash(reading)
    assert owner.venue.calls["balances"] == read
