"""A browser (Debian's Chromium) that looks at the pages of an API over the test's Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Response

from shared.bus.connection import Bus
from tests.support.chromium import chromium
from tests.support.open_api import OpenApi, open_api

_ROOT: Final = Path(__file__).parents[2]
AXE: Final = _ROOT / "node_modules" / "axe-core" / "axe.min.js"
VENDOR: Final = _ROOT / "services" / "api" / "web" / "static" / "vendor"
WIDE: Final = (1280, 800)
PHONE: Final = (400, 800)


@dataclass
class Tab:
    """An open page, and everything that it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors of the console and of scripts, and every answer."""
        self.page.on("console", self._console)
        self.page.on("pageerror", self._failed)
        self.page.on("response", self._answered)

    def _failed(self, error: Exception) -> None:
        self.complaints.append(f"script: {error}")

    def _answered(self, answer: Response) -> None:
        self.answers.append((answer.status, answer.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    async def faults(self) -> list[str]:
        """Return the serious faults that axe-core finds."""
        # Not as a script of the page: its Content-Security-Policy refuses strangers.
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = await self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes'][:3]]}"
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
        ]

    async def scrolls_sideways(self) -> int:
        """Return how many pixels the page is wider than the window."""
        return int(await self.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth"))


@pytest.fixture
async def site(bus: Bus) -> AsyncIterator[OpenApi]:
    """A running API without sign-in."""
    assert (VENDOR / "htmx.min.js").is_file(), "the scripts of the pages are missing: make web"
    async with open_api(bus) as api:
        yield api


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of its own for each test."""
    async with chromium() as started:
        yield started


async def open_tab(browser: Browser, site: OpenApi, size: tuple[int, int] = WIDE, **more: Any) -> Tab:
    """Open an empty tab of this size."""
    width, height = size
    context = await browser.new_context(base_url=site.url, viewport={"width": width, "height": height}, **more)
    tab = Tab(await context.new_page())
    tab.watch()
    return tab


@pytest.fixture
async def tab(browser: Browser, site: OpenApi) -> Tab:
    """A tab of a desktop's size."""
    return await open_tab(browser, site)
