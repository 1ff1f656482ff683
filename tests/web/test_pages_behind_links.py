"""Pages that a link or a sign-in leads to: accessible and within the window, at every size and in both schemes."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Response

from services.api.access.identity import Role
from shared.bus.connection import Bus
from shared.sign_in.follower_links import FollowerLinks
from tests.support.copies import Copies
from tests.support.open_api import OpenApi
from tests.support.operating import stop_out
from tests.support.signed_in import PASSWORD, running_site
from tests.web.conftest import PHONE, WIDE, Tab, copy_all, open_tab

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
SIZES = pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])


async def judge(tab: Tab, answer: Response | None = None, status: int = 200) -> None:
    """Judge the page that is open."""
    path = tab.page.url
    assert answer is None or answer.status == status, path
    assert await tab.faults() == [], path
    assert await tab.scrolls_sideways() <= 0, path


@SCHEMES
@SIZES
async def test_the_pages_of_signals_and_actions(
    bus: Bus, browser: Browser, site: OpenApi, copies: Copies, size: tuple[int, int], scheme: str
) -> None:
    signal = await copies.signal()
    await copy_all(copies, signal)
    await stop_out(bus, "alice")
    tab = await open_tab(browser, site, size, color_scheme=scheme)
    for path in (
        f"/tape/{signal.entry_id}",
        f"/tape?before={signal.entry_id}",
        "/users/alice",
        "/users/alice/settings",
        "/users/alice/what-if?set.sizing.multiplier=0.5",
        "/users/alice/confirm/flatten",
        "/users/alice/confirm/lift",
        "/users/alice/confirm/settings?set.limits.max_order_pct=25",
        "/confirm/halt",
    ):
        await judge(tab, await tab.page.goto(path))
    assert tab.complaints == []
    await judge(tab, await tab.page.goto("/users/nobody"), status=404)
    await judge(tab, await tab.page.goto("/users/bob/confirm/lift"), status=409)


@SCHEMES
@SIZES
async def test_the_pages_of_signing_in_and_of_a_follower(
    bus: Bus, browser: Browser, copies: Copies, size: tuple[int, int], scheme: str
) -> None:
    width, height = size
    async with running_site(bus) as site:
        await site.person("victor", Role.VIEWER)
        for start, fill in (
            (f"{site.origin}/sign-in", {"#name": "victor", "#password": PASSWORD}),
            (f"{site.origin}/link/{await FollowerLinks(bus).create('alice')}", {}),
        ):
            context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            tab = Tab(await context.new_page())
            tab.watch()
            await judge(tab, await tab.page.goto(start))
            for field, text in fill.items():
                await tab.page.fill(field, text)
            await tab.page.locator("main button").click()
            await tab.page.locator("h1").wait_for()
            await judge(tab)
            if fill:
                await judge(tab, await tab.page.goto(f"{site.origin}/operations"))
            assert tab.complaints == []
            await context.close()
