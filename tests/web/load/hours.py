"""Pages that stay open for hours: what they hold after a collection, from the first steady point to the end.

The browser interprets the scripts and compiles none: compiled code is on the heap as well, and grows for half an hour until every
function that is in use has been compiled. What a page keeps would not be seen beside it.

The hours are compressed: as many signals, changes of the state and new connections as in that time, one after another at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.support.chromium import chromium
from tests.web.load.page import Memory, OpenPage
from tests.web.load.system import System, running_system

USERS: Final = 3
PATHS: Final = ("/", "/tape", "/users/user0001", "/price/BTC/USD?venue=kraken&user=user0001")
WARM: Final = 1_000
"""Signals until every list is full, the fills of the price page included."""
_READINGS: Final = 10
_NO_COMPILER: Final = "--js-flags=--jitless"
_WITH_LINES: Final = frozenset({"/", "/tape"})


@dataclass(frozen=True, slots=True)
class Hours:
    """What was measured. `memory` has each page's readings, the first of them at the steady point."""

    hours: float
    seconds: float
    signals: int
    memory: Mapping[str, Sequence[Memory]]

    def growth(self, path: str) -> float:
        """Return by which share the heap of a page has grown between the steady point and the end."""
        readings = self.memory[path]
        return readings[-1].heap / readings[0].heap - 1

    def new_nodes(self, path: str) -> int:
        """Return how many nodes the document has gained."""
        readings = self.memory[path]
        return readings[-1].nodes - readings[0].nodes


async def measure(
    hours: float,
    per_minute: float,
    hurry: float,
    say: Callable[[str], None],
    *,
    paths: Sequence[str] = PATHS,
    warm: int = WARM,
) -> Hours:
    """Measure so many hours with a rate of signals, `hurry` times as fast, after `warm` signals. Fails if a page stands still."""
    total, seconds = int(hours * 60 * per_minute), hours * 3600 / hurry
    async with running_system(USERS, hurry) as system, chromium(_NO_COMPILER) as browser:
        upkeep = asyncio.create_task(system.crowd.live(every=0.1))
        try:
            pages = {path: await OpenPage.open(browser, system.url + path) for path in paths}
            memory: dict[str, list[Memory]] = {path: [] for path in paths}
            await _copy(system, warm, 0.0)
            await _read(system, pages, memory)
            began = time.monotonic()
            for number in range(1, _READINGS + 1):
                await _copy(system, total // _READINGS, seconds / _READINGS)
                await _read(system, pages, memory)
                say(
                    f"{number * hours / _READINGS:.1f} h, {number * total // _READINGS:,} signals: {memory[paths[0]][-1]}"
                )
        finally:
            upkeep.cancel()
    return Hours(hours, time.monotonic() - began, total, memory)


async def _copy(system: System, count: int, seconds: float) -> None:
    """Copy so many signals, evenly over so many seconds, or in a longer time if that is how long they take."""
    began = time.monotonic()
    for number in range(count):
        await system.crowd.copy()
        ahead = began + (number + 1) * seconds / count - time.monotonic()
        await asyncio.sleep(max(ahead, 0.01))


async def _read(system: System, pages: Mapping[str, OpenPage], memory: dict[str, list[Memory]]) -> None:
    """Read each page once it shows the newest signal."""
    for path, page in pages.items():
        if path in _WITH_LINES:
            await page.until_shown(system.crowd.sent[-1])
        memory[path].append(await page.memory())
