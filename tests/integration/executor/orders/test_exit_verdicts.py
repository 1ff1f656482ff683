"""An operator's word about an exit of which the venue tells nothing."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from shared.bus.order.interventions import give_verdict
from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.order import OrderState
from shared.venues.errors import OutcomeUnknown, Refusal, Unavailable
from tests.integration.executor.rig import Owner, Rig, until


async def bought(rig: Rig, owner: Owner, size: str) -> None:
    """Hold something from copying."""
    assert (await rig.carry(owner, rig.entry(size))).outcome is OrderState.FILLED


async def unknown(rig: Rig, owner: Owner) -> tuple[asyncio.Task[bool], dict[str, str]]:
    """Begin a close of which the venue tells nothing; answers its task and its record."""
    owner.venue.fail("place", OutcomeUnknown("timed out"))
    owner.venue.fail("find", Unavailable("EService:Unavailable"), times=1_000)
    decision = rig.close()
    task = await rig.begin(owner, decision)

    async def asked() -> bool:
        return (await rig.record(decision)).get("state") == "unknown" and owner.venue.calls["find"] > 1

    await until(asked, "the venue is asked in vain")
    rig.clock.now += 10_000
    return task, await rig.record(decision)


async def test_an_operators_word_books_a_close_that_the_venue_would_not_tell_of(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    task, record = await unknown(rig, owner)
    said = VerdictRecord(
        verdict=VerdictKind.FILLED,
        verdict_size=Decimal("0.05"),
        verdict_price=Decimal(59_000),
        verdict_by="ann",
        verdict_at=rig.clock.now,
    )
    assert not await give_verdict(rig.bus, "alice", record["id"], "another attempt", said)
    assert await give_verdict(rig.bus, "alice", record["id"], record["attempts"], said)
    await task
    report = (await rig.reports())[-1]
    assert (report.outcome, report.filled_size, report.average_price) == (
        OrderState.FILLED, Decimal("0.05"), Decimal(59_000),
    )  # fmt: skip
    assert "settled by hand by ann" in report.reason
    assert await rig.position() is None
    assert not await give_verdict(rig.bus, "alice", record["id"], record["attempts"], said)


async def test_a_close_that_an_operator_says_never_arrived_is_sent_again(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    task, record = await unknown(rig, owner)
    said = VerdictRecord(verdict=VerdictKind.NONE, verdict_by="ann", verdict_at=rig.clock.now)
    assert await give_verdict(rig.bus, "alice", record["id"], record["attempts"], said)
    await task
    assert (len(rig.account.orders), await rig.position()) == (2, None)


async def test_half_a_verdict_is_none_and_a_parked_account_hears_a_whole_one(rig: Rig, owner: Owner) -> None:
    await bought(rig, owner, "0.05")
    task, record = await unknown(rig, owner)
    key = f"shoal:order:{{alice}}:{record['id']}"
    await owner.context.account.park("EAPI:Invalid key", Refusal.AUTH)
    await rig.bus.do("HSET", key, "verdict", "filled")
    await asyncio.sleep(1.0)  # two looks at the record
    assert not task.done()
    await rig.bus.do("HSET", key, "verdict_size", "0.05", "verdict_price", "59000")
    await task
    assert (await rig.reports())[-1].outcome is OrderState.FILLED
