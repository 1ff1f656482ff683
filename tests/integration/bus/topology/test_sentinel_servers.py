"""Shoal on a primary with Sentinels: killed, frozen and handed over, and never a write to the one that is none any more."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from tests.support.redis_sentinel import NAME, SentinelSet

PATIENCE = 90.0


async def until_it_answers(bus: Bus, value: str) -> None:
    """Write until a primary takes it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(BusUnavailable):
                await bus.do("SET", "written", value)
                return
            await asyncio.sleep(0.05)


async def test_after_a_killed_primary_the_next_one_is_written_to(sentinels: SentinelSet, sentinel_bus: Bus) -> None:
    await sentinel_bus.do("SET", "written", "1")
    lost = asyncio.create_task(sentinel_bus.until_lost())
    await asyncio.sleep(0)
    await asyncio.to_thread(sentinels.fail_over)
    with pytest.raises(BusUnavailable):
        await lost
    await until_it_answers(sentinel_bus, "2")
    assert sentinels.ask(sentinels.primary().port, "GET", "written") == "2"


async def test_a_frozen_primary_that_wakes_as_a_replica_is_not_written_to(
    sentinels: SentinelSet, sentinel_bus: Bus
) -> None:
    former = sentinels.primary()
    await sentinel_bus.do("SET", "written", "1")
    former.freeze()
    try:
        await asyncio.to_thread(sentinels.wait_for_another, former)
        await until_it_answers(sentinel_bus, "2")
    finally:
        former.thaw()
    for number in range(20):
        await until_it_answers(sentinel_bus, str(number))
    assert sentinels.ask(sentinels.primary().port, "GET", "written") == "19"


async def test_a_primary_that_is_handed_over_is_left(sentinels: SentinelSet, sentinel_bus: Bus) -> None:
    former = sentinels.primary()
    reading = asyncio.create_task(sentinel_bus.read("XREAD", "BLOCK", 60_000, "STREAMS", "s", "$"))
    await sentinel_bus.do("SET", "written", "1")
    sentinels.ask(int(sentinels.url.split(":")[2].split(",")[0]), "SENTINEL", "FAILOVER", NAME)
    await asyncio.to_thread(sentinels.wait_for_another, former)
    with pytest.raises(BusUnavailable):
        async with asyncio.timeout(PATIENCE):
            await reading
    await until_it_answers(sentinel_bus, "2")
    assert sentinels.ask(sentinels.primary().port, "GET", "written") == "2"
