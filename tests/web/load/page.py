"""One page in a browser as the measurements see it: heap, DOM nodes, long tasks, bytes, rows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from playwright.async_api import Browser, CDPSession, Page

_PATIENCE: Final = 120.0
_WATCH: Final = """
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) { window.longTasks.push(Math.round(entry.duration)); }
  }).observe({ type: "longtask", buffered: true });
  window.loads = Number(sessionStorage.loads || 0) + 1;
  sessionStorage.loads = window.loads;
"""
_ROWS: Final = """
  window.seen = [];
  window.delays = [];
  const note = (node) => { if (node.id?.startsWith("signal-")) { window.seen.push(node.id.slice(7)); } };
  document.querySelectorAll("tbody.signal").forEach(note);
  const late = (node) => { if (node.id?.startsWith("signal-")) { window.delays.push(Date.now() - parseInt(node.id.slice(7))); } };
  new MutationObserver((changes) => changes.forEach((each) => each.addedNodes.forEach((node) => { note(node); late(node); })))
    .observe(document.querySelector("table.tape"), { childList: true });
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a page holds after a collection: bytes of the JavaScript heap, nodes of the document, listeners."""

    heap: int
    nodes: int
    listeners: int


@dataclass
class OpenPage:
    """A page that stays open."""

    page: Page
    session: CDPSession

    @classmethod
    async def open(cls, browser: Browser, url: str, *, width: int = 1280, rows: bool = False) -> OpenPage:
        """Open a page; with `rows` it remembers each line of the tape that it ever showed."""
        context = await browser.new_context(viewport={"width": width, "height": 800})
        page = await context.new_page()
        await page.add_init_script(_WATCH)
        await page.goto(url)
        if rows:
            await page.evaluate(f"() => {{ {_ROWS} }}")
        return cls(page, await context.new_cdp_session(page))

    async def memory(self) -> Memory:
        """Collect garbage and return what is left."""
        for _ in range(3):  # what only weak references and finalizers held is gone after the later ones
            await self.session.send("HeapProfiler.collectGarbage")
        heap: dict[str, Any] = await self.session.send("Runtime.getHeapUsage")
        counters: dict[str, Any] = await self.session.send("Memory.getDOMCounters")
        return Memory(int(heap["usedSize"]), int(counters["nodes"]), int(counters["jsEventListeners"]))

    async def long_tasks(self) -> list[int]:
        """Return the tasks above 50 ms since the page was loaded, in ms."""
        found: list[int] = await self.page.evaluate("() => window.longTasks")
        return found

    async def seen(self) -> list[str]:
        """Return the entry ids of all lines that were ever shown, in the order of appearance."""
        found: list[str] = await self.page.evaluate("() => window.seen")
        return found

    async def delays(self) -> list[int]:
        """Return how long after its signal each new line appeared, in ms."""
        found: list[int] = await self.page.evaluate("() => window.delays")
        return found

    async def until_shown(self, entry_id: str) -> None:
        """Wait until the line of a signal is there. Raises TimeoutError."""
        # Not by a locator: what Playwright puts into the page for one counts as heap of the page.
        found = f"document.getElementById('signal-{entry_id}') !== null"
        async with asyncio.timeout(_PATIENCE):
            while not (await self.session.send("Runtime.evaluate", {"expression": found}))["result"]["value"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def loads(self) -> int:
        """Return how often this page was loaded; more than once: it was told to load itself."""
        return int(await self.page.evaluate("() => window.loads"))
