"""Orders with a damaged record, for tests of what keeps failing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from services.executor.orders.set_aside import SetAside
from shared.contracts import keys
from shared.domain.fault import Fault, FaultKind, Faults
from shared.domain.order import Decision
from tests.integration.executor.rig import USER, Owner, Rig, crash, until
from tests.support.examples import btc, btc_price


@asynccontextmanager
async def time_goes_on(rig: Rig) -> AsyncIterator[None]:
    """Let the wall clock run a hundred times as fast as it does."""

    async def run() -> None:
        while True:
            await asyncio.sleep(0.01)
            rig.clock.now += 1_000

    running = asyncio.create_task(run())
    try:
        yield
    finally:
        await crash(running)


def watched(owner: Owner) -> Faults:
    """Have the owner's troubles reported to a register that the test sees."""
    faults = Faults()
    owner.context.aside = SetAside(USER, owner.context.names, faults)
    return faults


async def sent_and_damaged(rig: Rig, owner: Owner, decision: Decision, field: str = "leg") -> str:
    """Have an order sent by a process that dies then, and damage its record; answers the venue's name of it."""
    rig.account.rests = True
    task = await rig.begin(owner, decision)

    async def accepted() -> bool:
        return (await rig.record(decision)).get("state") == "accepted"

    await until(accepted, "the venue took it")
    await crash(task)
    rig.account.rests = False
    await rig.bus.do("HSET", keys.order(USER, decision.id), field, "no number")
    return rig.account.orders[-1].venue_order_id


def fill(rig: Rig, venue_order_id: str, size: str, share: str = "1") -> None:
    rig.account.finish(venue_order_id, Decimal(share), btc_price(60_000), btc(size), rig.clock.now)


def standing(faults: Faults, decision: Decision) -> list[Fault]:
    return [
        each for each in faults.standing if each.subject == f"{USER}/{decision.id}" and each.kind is FaultKind.ORDER
    ]
