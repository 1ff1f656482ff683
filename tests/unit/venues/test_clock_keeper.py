"""The venue is asked for its time at once and again, whatever it and Redis answer."""

from __future__ import annotations

import asyncio

import pytest

from shared.venues import clock_keeper
from shared.venues.clock_keeper import ClockKeeper
from shared.venues.errors import Unavailable
from shared.venues.venue_clock import SECONDS_RESOLUTION_MS, VenueClock


async def test_a_venue_that_does_not_answer_is_asked_again_and_the_clock_is_looked_at_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_keeper, "_SOON", 0.01)
    now = [1_790_000_000_250]
    clock = VenueClock("kraken", wall=lambda: now[0], steady=lambda: 5.0)
    asked = looked = 0
    known = asyncio.Event()

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise Unavailable("no answer")
        clock.note(now[0] // 1000 * 1000, SECONDS_RESOLUTION_MS, 5.0, 5.0)

    async def look() -> None:
        nonlocal looked
        looked += 1
        if clock.measured:
            known.set()

    keeping = asyncio.create_task(ClockKeeper(clock, ask, look).run())
    async with asyncio.timeout(10):
        await known.wait()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert asked >= 3
    assert looked >= asked - 1
