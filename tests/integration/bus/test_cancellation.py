"""A task that waits for Redis and is told to stop does stop, at whatever moment of a command that is."""

from __future__ import annotations

import asyncio

from shared.bus.connection import Bus


async def test_a_cancelled_loop_ends_however_the_cancellation_meets_a_command(bus: Bus) -> None:
    async def loop() -> None:
        while True:
            await bus.do("GET", "nothing")

    for steps in range(400):
        task = asyncio.ensure_future(loop())
        for _ in range(steps % 40):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=60)
        assert done, f"it runs on when it is cancelled after {steps % 40} steps"
