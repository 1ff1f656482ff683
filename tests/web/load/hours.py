"""Pages that stay open for hours: what they hold after a collection, from the first steady point to the end.

The hours are compressed: as many signals, changes of the state and new connections as in that time, one after another at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.chromium import chromium
from tests.web.load.page import Memory, OpenPage
from tests.web.load.system import System, running_system

USERS: Final = 3
_STEADY: Final = 0.1
"""The share of the time after which every list is full and every stream of events was opened again."""
_MINUTE: Final = 60.0
PATHS: Final = ("/", "/tape", "/users/user0001", "/price/BTC/USD?venue=kraken&user=user0001")


@dataclass(frozen=True, slots=True)
class Hours:
    """What was measured. `memory` has each page's readings, the first of them at the steady point."""

    hours: float
    seconds: float
    signals: int
    memory: Mapping[str, list[Memory]]

    def growth(self, path: str) -> float:
        """Return by which share the heap of a page has grown between the steady point and the end."""
        readings = self.memory[path]
        return readings[-1].heap / readings[0].heap - 1

    def new_nodes(self, path: str) -> int:
        """Return how many nodes the document has gained."""
        readings = self.memory[path]
        return readings[-1].nodes - readings[0].nodes


async def measure(hours: float, per_minute: float, hurry: float, say: Callable[[str], None]) -> Hours:
    """Measure so many hours with a rate of signals, `hurry` times as fast."""
    total, seconds = int(hours * 60 * per_minute), hours * 3600 / hurry
    async with running_system(USERS, hurry) as system, chromium() as browser:
        upkeep = asyncio.create_task(system.crowd.live(every=0.1))
        try:
            pages = {path: await OpenPage.open(browser, system.url + path) for path in PATHS}
            memory: dict[str, list[Memory]] = {path: [] for path in PATHS}
            began, reading = time.monotonic(), _STEADY
            while len(system.crowd.sent) < total:
                share = (time.monotonic() - began) / seconds
                if share >= reading:
                    await _read(pages, memory)
                    say(f"{share * hours:.1f} h, {len(system.crowd.sent)} signals: {memory['/'][-1]}")
                    reading += _STEADY
                await _keep_pace(system, min(int(share * total), total))
            await _read(pages, memory)
        finally:
            upkeep.cancel()
    return Hours(hours, time.monotonic() - began, total, memory)


async def _keep_pace(system: System, wanted: int) -> None:
    if len(system.crowd.sent) >= wanted:
        await asyncio.sleep(0.01)
    else:
        await system.crowd.copy()


async def _read(pages: Mapping[str, OpenPage], memory: dict[str, list[Memory]]) -> None:
    for path, page in pages.items():
        memory[path].append(await page.memory())
