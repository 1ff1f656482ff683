"""What one copied order costs in Redis, counted: it must not grow back unnoticed. How long it takes is the bench's to measure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from services.executor.account import risk_keeper
from services.executor.account.books import positions
from shared.domain.order import Decision, OrderState
from tests.integration.executor.orders.test_books_of_masters import guarding
from tests.integration.executor.rig import Owner, Rig

_MOST: Final = {
    "eval": 0,
    "evalsha": 2,
    "get": 2,
    "hgetall": 0,
    "hget": 8,
    "hmget": 14,
    "hset": 7,
    "type": 0,
    "xlen": 0,
    "scan": 0,
}
"""The most commands of an order, from its decision to the second look of the guardian after it, those in scripts included. Two
scripts, begin and settle, each with a look at the fence; no read of what this process has written itself.
The account, too, is written with the end."""
_MOST_OF_READING: Final = {"eval": 0, "evalsha": 2, "get": 2, "hgetall": 0, "hset": 1, "type": 0, "scan": 0}
"""The same of the reading of the balances that follows where there is no stream. The fake venue takes a nonce for the fee too."""


@pytest.fixture(autouse=True)
def _nothing_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing happen because of the time that the test takes."""
    monkeypatch.setattr(positions, "_RECENT", 1e9)
    monkeypatch.setattr(risk_keeper, "_WRITE_EVERY", 1e9)


@asynccontextmanager
async def _counted(rig: Rig) -> AsyncIterator[dict[str, int]]:
    """Count the commands that Redis runs meanwhile, in scripts or not."""
    before = await _calls(rig)
    found: dict[str, int] = {}
    yield found
    found |= {name: calls - before.get(name, 0) for name, calls in (await _calls(rig)).items()}


async def _calls(rig: Rig) -> dict[str, int]:
    rows = str(await rig.bus.do("INFO", "commandstats")).splitlines()
    stats = (row.removeprefix("cmdstat_").partition(":") for row in rows if row.startswith("cmdstat_"))
    return {name: int(fields.partition("calls=")[2].partition(",")[0]) for name, _, fields in stats}


async def _carry_and_count(rig: Rig, owner: Owner, decision: Decision) -> dict[str, int]:
    """Carry out a decision, with the look of the guardian and the reading of the account that follow it."""
    entry_id = await rig.hand_out(decision)
    async with guarding(rig, owner) as guardian, _counted(rig) as found:
        await owner.dispatcher.run(decision, entry_id, redelivered=False)
        await guardian.look()
        await guardian.look()
    (report,) = [report for report in await rig.reports() if report.order_id == decision.id]
    assert report.outcome is OrderState.FILLED
    return found


def _above(found: dict[str, int], most: dict[str, int]) -> dict[str, int]:
    return {name: calls for name, calls in found.items() if calls > most.get(name, calls)}


@pytest.mark.parametrize("closes", [False, True])
async def test_a_copied_order_costs_few_commands(rig: Rig, owner: Owner, *, closes: bool) -> None:
    for decision in (rig.entry(), rig.close(), *([rig.entry()] if closes else [])):  # all that is kept is read then
        await _carry_and_count(rig, owner, decision)
    found = await _carry_and_count(rig, owner, rig.close() if closes else rig.entry())
    assert _above(found, _MOST) == {}


async def test_the_reading_after_an_order_costs_few_commands(rig: Rig, owner: Owner) -> None:
    await _carry_and_count(rig, owner, rig.entry())
    async with _counted(rig) as found:
        await owner.context.account.read()
    assert _above(found, _MOST_OF_READING) == {}
