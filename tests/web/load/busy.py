"""Many users and a steady rate of signals, with the overview and the tape open: long tasks of the pages, CPU of the API."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.support.chromium import chromium
from tests.web.load.page import OpenPage
from tests.web.load.system import System, running_system

_PATHS: Final = ("/", "/tape")
_SETTLED: Final = 3.0
"""Seconds until the pages have got their first events."""
_REFRESH: Final = 30.0
"""Seconds in which every account is read once."""


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
    median_ms: int
    """From a signal in the stream to its line on the tape."""
    slowest_ms: int


async def measure(users: int, per_minute: float, seconds: float) -> Busy:
    """Measure for so many seconds after the pages are open."""
    async with running_system(users) as system, chromium() as browser:
        upkeep = asyncio.create_task(system.crowd.live(every=_REFRESH / users))
        try:
            await system.crowd.copy()
            _, idle = await _load(system, 0, min(seconds, 20))
            pages = [await OpenPage.open(browser, system.url + path, rows=path == "/tape") for path in _PATHS]
            await asyncio.sleep(_SETTLED)
            signals, cores = await _load(system, per_minute, seconds)
            await asyncio.sleep(_SETTLED)
            tasks = [task for page in pages for task in await page.long_tasks()]
            delays = await pages[-1].delays()
        finally:
            upkeep.cancel()
    return Busy(
        users, signals, seconds, cores, idle, max(tasks, default=0), len(tasks), int(median(delays)), int(max(delays))
    )


async def _load(system: System, per_minute: float, seconds: float) -> tuple[int, float]:
    """Copy signals at this rate; return how many there were, and the cores that the API used."""
    before, began, sent = system.cpu_ns(), time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        if passed * per_minute >= sent * 60 and per_minute:
            await system.crowd.copy()
            sent += 1
        await asyncio.sleep(0.05)
    return sent, (system.cpu_ns() - before) / 1e9 / (time.monotonic() - began)
