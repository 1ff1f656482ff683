"""A heartbeat carries a new fault, and the end of one, long before it is due: people are informed of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.bus.connection import Bus
from shared.bus.state import heartbeat as module
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.contracts.heartbeat import read_faults
from shared.domain.fault import FaultKind, Faults


@pytest.fixture
async def beating(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Heartbeat]:
    """One that would not be due again within the test."""
    monkeypatch.setattr(module, "_EVERY", 3_600.0)
    monkeypatch.setattr("shared.bus.state.records.HEARTBEAT_TTL_MS", 600_000)
    heartbeat = Heartbeat(Records(bus), "executor", "one", Faults(lambda: 1))
    task = asyncio.create_task(heartbeat.run())
    yield heartbeat
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_published(bus: Bus, *subjects: str) -> None:
    for _ in range(600):
        found = (await Records(bus).heartbeats()).get("executor:one")
        if found is not None and [each.subject for each in read_faults(found.faults)] == list(subjects):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not published within 30 s: {subjects}")


async def test_the_begin_and_the_end_of_a_fault_are_published_at_once(bus: Bus, beating: Heartbeat) -> None:
    await until_published(bus)
    beating.faults.report(FaultKind.CLOCK, "kraken", "7 s ahead")
    await until_published(bus, "kraken")
    beating.faults.clear(FaultKind.CLOCK, "kraken")
    await until_published(bus)


def test_a_report_that_repeats_a_fault_is_no_change_and_one_that_blocks_is() -> None:
    faults = Faults()
    faults.report(FaultKind.CLOCK, "kraken", "2 s ahead")
    before = faults.changes
    faults.report(FaultKind.CLOCK, "kraken", "2.1 s ahead")
    assert faults.changes == before
    faults.report(FaultKind.CLOCK, "kraken", "6 s ahead", blocks=True)
    assert faults.changes == before + 1
