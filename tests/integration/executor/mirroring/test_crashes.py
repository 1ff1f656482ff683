"""A process that dies before or after any write, send or cancel of a mirrored order.

The next one brings it to its one outcome, and books every fill once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from shared.bus.connection import Bus
from shared.bus.scripts import load
from shared.domain.limits.policy import OrdersMode
from shared.domain.order import OrderState, Side
from shared.venues.port import VenueOrderStatus
from tests.integration.executor.mirroring.mirror_rig import MirrorRig
from tests.integration.executor.rig import Owner, Rig, until
from tests.integration.executor.turns import turn
from tests.support.examples import BTC_USD

OF_A_PURCHASE, OF_A_SALE = 20, 22
"""How many steps these stories have, at least."""


@dataclass
class Fuse:
    """Stops the process at its n-th step: before it is done, or after it was done and before that is known."""

    left: int
    after: bool

    def __post_init__(self) -> None:
        self.blown = asyncio.Event()

    async def around(self, step: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        self.left -= 1
        last = self.left == 0
        if last and not self.after:
            await self._stop()
        answer = await step(*args, **options)
        if last:
            await self._stop()
        return answer

    async def _stop(self) -> None:
        self.blown.set()
        await asyncio.Event().wait()


class FusedBus:
    """A bus whose scripts, the writes that matter, are steps."""

    def __init__(self, bus: Bus, fuse: Fuse) -> None:
        self._bus = bus
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def run(self, script: Any, *args: Any) -> Any:
        if script is load("next_nonce"):  # lookups allocate one each, as often as they like
            return await self._bus.run(script, *args)
        return await self._fuse.around(self._bus.run, script, *args)


async def start(mirrored: MirrorRig, fuse: Fuse) -> tuple[Rig, Owner]:
    """Start a process whose steps are counted from now on."""
    rig = mirrored.rig
    unarmed = fuse.left
    fuse.left = 0
    fused = replace(rig, bus=FusedBus(rig.bus, fuse))  # type: ignore[arg-type]  # it stands for one
    owner = await fused.start()
    owner.context.policy = replace(owner.context.policy, orders=OrdersMode.MIRROR)
    for name in ("place", "cancel"):
        call = getattr(owner.venue, name)
        setattr(owner.venue, name, lambda *args, call=call: fuse.around(call, *args))
    fuse.left = unarmed
    return fused, owner


async def survive(mirrored: MirrorRig, fuse: Fuse, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Tell a story; when the fuse blows, start another process and go on."""
    fused, owner = await start(mirrored, fuse)
    telling = asyncio.create_task(story())
    blown = asyncio.create_task(fuse.blown.wait())
    async with turn(fused, owner):
        await asyncio.wait({telling, blown}, return_when=asyncio.FIRST_COMPLETED)
    blown.cancel()
    assert fuse.blown.is_set(), "the story has fewer steps"
    if not telling.done():
        mirrored.rig.clock.now += 1
        fused, owner = await start(mirrored, Fuse(0, after=False))
        if mirrored.watched:
            await mirrored.masters_seen()
        async with turn(fused, owner):
            await telling
    await telling


async def check(mirrored: MirrorRig, before: Decimal) -> None:
    """Compare books and venue: every fill is booked once, nothing is open, and there is one outcome."""
    report = await mirrored.report()
    legs = [leg for leg in mirrored.legs if leg.rests or leg.client_order_id != ""]
    assert all(leg.status is VenueOrderStatus.DONE for leg in legs)
    ids = [leg.client_order_id for leg in legs]
    assert len(ids) == len(set(ids)), "an id went out twice"
    sign = {Side.BUY: 1, Side.SELL: -1}
    held = sum((sign[leg.side] * leg.filled.amount for leg in legs), before)
    position = await mirrored.rig.position()
    assert (position.size.amount if position else Decimal(0)) == held
    own = [leg.filled.amount for leg in legs if leg.side is mirrored.side]
    assert report.filled_size == sum(own, Decimal(0))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(1, OF_A_PURCHASE + 1))
async def test_a_purchase_survives_a_crash_at_any_step(mirrored: MirrorRig, step: int, after: bool) -> None:
    mirrored.rig.market.prices[BTC_USD] = Decimal("59100")

    async def story() -> None:
        await mirrored.place()
        await mirrored.resting(limit="59000")
        mirrored.fill("0.01")
        await mirrored.held("0.01")
        await mirrored.amend(limit="58000", filled="0.02")
        await mirrored.resting(limit="58000", size="0.04")
        mirrored.fill("0.01")
        mirrored.rig.market.prices[BTC_USD] = Decimal("58100")
        await mirrored.end(filled="0.1")
        await mirrored.outcome()

    await survive(mirrored, Fuse(step, after), story)
    await check(mirrored, Decimal(0))
    assert (await mirrored.report()).filled_size == Decimal("0.05")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(1, OF_A_SALE + 1))
async def test_a_sale_survives_a_crash_at_any_step(mirrored: MirrorRig, step: int, after: bool) -> None:
    mirrored.side, mirrored.limit, mirrored.fraction, mirrored.size = Side.SELL, "61000", "1", "0.2"
    owner = await mirrored.rig.start()
    await mirrored.buy(owner, "0.1")
    bought = mirrored.rig.account.orders.pop()
    before = bought.filled.amount

    async def story() -> None:
        await mirrored.place()
        await mirrored.resting(limit="61000")
        mirrored.fill("0.02")
        await mirrored.held("0.08")
        await mirrored.amend(limit="62000", filled="0.1")
        await mirrored.resting(limit="62000", size="0.08")
        mirrored.fill("0.01")
        await mirrored.end(filled="0.2")
        await mirrored.outcome()

    await survive(mirrored, Fuse(step, after), story)
    await check(mirrored, before)
    assert (await mirrored.report()).outcome is OrderState.FILLED
    assert await mirrored.rig.position() is None


async def test_redis_that_forgot_a_leg_does_not_place_it_again(mirrored: MirrorRig, owner: Owner) -> None:
    """The write-ahead and everything after it is lost, the decision is not: the venue's list has the leg."""
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
    await mirrored.rig.bus.do("DEL", f"shoal:order:{{alice}}:{mirrored.order_id}")
    mirrored.rig.clock.now += 60_000
    again = await mirrored.rig.start()
    await mirrored.masters_seen()
    async with mirrored.served(again):
        await mirrored.resting()

        async def known() -> bool:
            return (await mirrored.record()).get("state") == "accepted"

        await until(known, "the record is written again")
        await mirrored.end()
        await mirrored.outcome()
    assert len(mirrored.legs) == 1


async def test_a_turn_that_was_taken_over_changes_nothing(mirrored: MirrorRig, owner: Owner) -> None:
    """Two processes over one account: the older one can neither book nor send."""
    async with mirrored.served(owner):
        await mirrored.place()
        await mirrored.resting()
        newer = await mirrored.rig.start()
        await mirrored.masters_seen()
        async with mirrored.served(newer):
            mirrored.fill("0.02")
            await mirrored.held("0.02")
            await mirrored.end(filled="0.04")
            assert (await mirrored.outcome())[2] == Decimal("0.02")
    assert len(mirrored.legs) == 1
