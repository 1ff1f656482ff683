"""Debian's Chromium, driven by Playwright. It is part of what the tests need, so its absence is a failure and no skip."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright


@asynccontextmanager
async def chromium(*options: str) -> AsyncIterator[Browser]:
    """Start a browser without a window, with further options of its command line."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "no chromium on the PATH: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *options])
        try:
            yield browser
        finally:
            await browser.close()
