"""A browser (Debian's Chromium) that looks at the pages of an API over the test's Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Response

from shared.bus.connection import Bus
from shared.bus.state.equity_samples import EquitySamples
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.equity_sample import EquitySample
from shared.contracts.heartbeat import HeartbeatRecord, Phase
from shared.domain.account import MASTER, AccountState
from shared.domain.order import OrderState
from shared.domain.values.money import Price
from tests.support.chromium import chromium
from tests.support.copies import BTC, Copies, EmittedSignal, now_ms
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


@pytest.fixture
async def copies(bus: Bus) -> Copies:
    """A system with a bit of everything, a fault included."""
    copies, records = Copies(bus), Records(bus)
    for name in (MASTER, "alice", "bob"):
        await copies.account(name, AccountState.READY)
    await copies.account("carol", AccountState.PARKED, reason="the venue refuses the key")
    await copies.serve("alice", "bob", "carol")
    for service in ("master-strategy", "copy-engine"):
        await records.write_heartbeat(service, "x", HeartbeatRecord(state="running", mode="paper", phase=Phase.OPEN))
    await records.write_prices("kraken", [Price(Decimal(60_100), BTC)], now_ms())
    await bus.do(
        "XADD", keys.CONTROL_LOG, "*", "of", "alice", "before", "run", "mode", "pause", "by", "anna", "reason", "-"
    )
    await bus.do("XADD", keys.dead(keys.SIGNALS), "*", "entry_id", "1-1", "reason", "no symbol " + "x" * 60)
    for number in range(3):
        sample = EquitySample(currency="USD", equity=Decimal(5_000 + number))
        await EquitySamples(bus, "alice", "kraken").add(sample, now_ms() - 60_000 * (3 - number))
    await copy_all(copies, await copies.signal())
    return copies


async def copy_all(copies: Copies, told: EmittedSignal) -> None:
    """Carry a signal to two users; the third is refused."""
    for user in ("alice", "bob"):
        await copies.decide(told, user, reason="0.5 BTC × 5,000 / 100,000")
        await copies.report(told, user)
    await copies.decide(told, "carol", copy=False, reason="the account is parked: the venue refuses the key")
    await copies.report(told, "carol", OrderState.SKIPPED, reason="the account is parked: the venue refuses the key")
