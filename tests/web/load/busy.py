"""Many users and a steady rate of signals, with the overview and the tape open: long tasks of the pages, CPU of the API."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.support.chromium import chromium
from tests.web.load.page import OpenPage
from tests.web.load.system import running_system


@dataclass(frozen=True, slots=True)
class Busy:
    """What was measured. `cores` is CPU time of the API over the time; `idle_cores` the same while no page is open."""

    users: int
    signals: int
    seconds: float
    cores: float
    idle_cores: float
    longest_ms: int
    long_tasks: int


async def measure(users: int, per_minute: float, seconds: float) -> Busy:
    """Measure for so many seconds after the pages are open."""
    async with running_system(users) as system, chromium() as browser:
        upkeep = asyncio.create_task(system.crowd.live(every=30 / users))
        try:
            await system.crowd.copy()
            idle = await _cores_of(system.cpu_ns, min(seconds, 20))
            pages = [await OpenPage.open(browser, f"{system.url}{path}") for path in ("/", "/tape")]
            await asyncio.sleep(2)
            before, began, sent = system.cpu_ns(), time.monotonic(), 0
            while (passed := time.monotonic() - began) < seconds:
                if passed >= sent * 60 / per_minute:
                    await system.crowd.copy()
                    sent += 1
                await asyncio.sleep(0.05)
            cores = (system.cpu_ns() - before) / 1e9 / (time.monotonic() - began)
            tasks = [task for page in pages for task in await page.long_tasks()]
        finally:
            upkeep.cancel()
    return Busy(users, sent, seconds, cores, idle, max(tasks, default=0), len(tasks))


async def _cores_of(cpu: object, seconds: float) -> float:
    assert callable(cpu)
    before, began = cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    return float((cpu() - before) / 1e9 / (time.monotonic() - began))
