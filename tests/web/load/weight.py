"""What each page loads when it is opened for the first time: every answer, as it is sent and compressed as a proxy would."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import Browser

from tests.support.chromium import chromium
from tests.web.load.system import System, running_system

PATHS: Final = (
    "/",
    "/tape",
    "/users",
    "/users/user0001",
    "/prices",
    "/price/BTC/USD?venue=kraken&user=user0001",
    "/operations",
)
_SIGNALS: Final = 60
_SETTLED: Final = 3.0
"""Seconds for what a page loads by script, and for the first events."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What one page loads. `sizes` by path, in bytes: as sent, and by gzip."""

    path: str
    sizes: Mapping[str, tuple[int, int]]

    @property
    def raw(self) -> int:
        """Return the bytes of all answers."""
        return sum(raw for raw, _ in self.sizes.values())

    @property
    def gzipped(self) -> int:
        """Return the bytes of all answers, each by gzip."""
        return sum(zipped for _, zipped in self.sizes.values())


async def measure(users: int) -> list[Weight]:
    """Measure every page of a system with so many users and more signals than a page shows."""
    async with running_system(users) as system, chromium() as browser:
        for _ in range(_SIGNALS):
            await system.crowd.copy()
        return [await _weigh(system, browser, path) for path in PATHS]


async def _weigh(system: System, browser: Browser, path: str) -> Weight:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(system.url + path)
    await asyncio.sleep(_SETTLED)
    await context.close()
    bodies = {_name(url): await _body(url) for url in dict.fromkeys(asked)}
    return Weight(path, {name: (len(body), len(gzip.compress(body))) for name, body in bodies.items()})


async def _body(url: str) -> bytes:
    """Return what an address answers; of a stream of events, what it sends first."""
    found = bytearray()
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED):
                async for piece in answer.content.iter_any():
                    found += piece
    return bytes(found)


def _name(url: str) -> str:
    return urlsplit(url).path
