"""The API is killed and started again while signals go on: whether the open tape shows each of them, once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.support.chromium import chromium
from tests.web.load.page import OpenPage
from tests.web.load.system import System, running_system

_USERS: Final = 3


@dataclass(frozen=True, slots=True)
class Restarts:
    """What was measured: the ids of the stream, and the lines that the page has shown, both in their order."""

    restarts: int
    sent: Sequence[str]
    seen: Sequence[str]
    loads: int
    """How often the page was loaded; once: it went on by itself."""

    @property
    def missed(self) -> int:
        """Return how many signals never appeared."""
        return len(set(self.sent) - set(self.seen))

    @property
    def in_order(self) -> bool:
        """Whether every line came once and in the order of the stream."""
        return list(self.seen) == list(self.sent)


async def measure(restarts: int, pause: float) -> Restarts:
    """Kill and start the API so many times, with a signal every `pause` seconds. Fails if a page stands still."""
    async with running_system(_USERS) as system, chromium() as browser:
        await system.crowd.copy()
        page = await OpenPage.open(browser, f"{system.url}/tape", rows=True)
        enough = asyncio.Event()
        flow = asyncio.create_task(_flow(system, pause, enough))
        random = Random(15)
        try:
            for _ in range(restarts):
                await asyncio.sleep(random.uniform(0, 1.5))
                system.api.kill()
                await asyncio.sleep(random.uniform(0, 1.5))
                await system.start_api()
                await page.until_shown(system.crowd.sent[-1])
        finally:
            enough.set()
            await flow
        await page.until_shown(system.crowd.sent[-1])
        return Restarts(restarts, list(system.crowd.sent), await page.seen(), await page.loads())


async def _flow(system: System, pause: float, enough: asyncio.Event) -> None:
    while not enough.is_set():
        await system.crowd.copy()
        await asyncio.sleep(pause)
