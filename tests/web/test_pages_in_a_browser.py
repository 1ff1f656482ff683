"""The pages in Debian's Chromium: live rows, why-not, accessibility, width, errors, weight."""

from __future__ import annotations

import gzip
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from shared.bus.connection import Bus
from shared.contracts import keys
from tests.support.copies import Copies
from tests.support.open_api import OpenApi
from tests.web.conftest import PHONE, WIDE, Tab, copy_all, open_tab

PAGES: Final = [
    "/",
    "/tape",
    "/users",
    "/users/alice",
    "/prices",
    "/price/BTC/USD?venue=kraken&user=alice",
    "/operations",
]
PATIENCE_MS: Final = 20_000
_BUDGET: Final = 150_000


async def test_a_copied_trade_appears_without_reload_and_says_why_one_user_missed_it(tab: Tab, copies: Copies) -> None:
    await tab.page.goto("/")
    await tab.page.evaluate("() => { window.same = true; }")
    told = await copies.signal()
    row = tab.page.locator(f"[id='signal-{told.entry_id}']")
    await expect(row).to_contain_text("not decided yet", timeout=PATIENCE_MS)
    await copy_all(copies, told)
    await expect(row).to_contain_text("2 of 3 copied", timeout=PATIENCE_MS)
    await row.locator("a").first.focus()
    await tab.page.keyboard.press("Enter")
    detail = row.locator(".detail")
    await expect(detail).to_contain_text("the account is parked: the venue refuses the key", timeout=PATIENCE_MS)
    await expect(detail).to_contain_text("0.5 BTC × 5,000 / 100,000")
    await expect(row.locator("a").first).to_have_attribute("aria-expanded", "true")
    await tab.page.keyboard.press("Enter")
    await expect(detail).to_be_empty()
    assert await tab.page.evaluate("() => window.same") is True
    assert tab.complaints == []


async def test_a_pause_is_seen_without_reload(bus: Bus, tab: Tab, copies: Copies) -> None:
    await tab.page.goto("/")
    await expect(tab.page.locator("#state")).to_contain_text("2 trading")
    await bus.do("HSET", keys.control("alice"), "mode", "pause", "reason", "lunch", "by", "anna")
    await expect(tab.page.locator("#state")).to_contain_text("alice: pause: lunch (anna)", timeout=PATIENCE_MS)


async def test_an_outcome_appears_on_the_users_page(tab: Tab, copies: Copies) -> None:
    await tab.page.goto("/users/alice")
    await expect(tab.page.locator("#equity canvas")).to_be_visible()
    order = await copies.report(None, "alice", reason="stop loss at 5 %")
    await expect(tab.page.locator(f"[id='order-{order}']")).to_contain_text("stop loss at 5 %", timeout=PATIENCE_MS)
    assert tab.complaints == []


async def test_no_row_is_missed_and_none_is_doubled_when_the_api_restarts(
    site: OpenApi, tab: Tab, copies: Copies
) -> None:
    await tab.page.goto("/tape")
    expected = await _ids(tab)
    for _ in range(3):
        await site.stop()
        await expect(tab.page.locator("#connection")).to_be_visible(timeout=PATIENCE_MS)
        expected += [(await copies.signal()).entry_id for _ in range(2)]
        await site.start()
        await expect(tab.page.locator(f"[id='signal-{expected[-1]}']")).to_be_visible(timeout=PATIENCE_MS)
    assert (await _ids(tab))[::-1] == expected
    await expect(tab.page.locator("#connection")).to_be_hidden()


async def test_a_page_that_hears_nothing_any_more_connects_again(tab: Tab, copies: Copies) -> None:
    """A machine that slept has a connection that never ends: only the silence tells."""
    await tab.page.clock.install()
    streams = []
    tab.page.on("request", lambda request: streams.append(request.url) if "/tape/events" in request.url else None)
    await tab.page.goto("/")
    first = await copies.signal()
    await expect(tab.page.locator(f"[id='signal-{first.entry_id}']")).to_be_visible(timeout=PATIENCE_MS)
    assert len(streams) == 1
    async with tab.page.expect_request("**/tape/events*"):
        await tab.page.clock.fast_forward(40_000)
    assert f"after={first.entry_id}" in streams[-1]
    second = await copies.signal()
    await expect(tab.page.locator(f"[id='signal-{second.entry_id}']")).to_be_visible(timeout=PATIENCE_MS)


async def _ids(tab: Tab) -> list[str]:
    rows = await tab.page.locator("tbody.signal").all()
    return [(await each.get_attribute("id") or "").removeprefix("signal-") for each in rows]


async def test_users_are_found_as_one_types(tab: Tab, copies: Copies) -> None:
    await tab.page.goto("/users")
    await expect(tab.page.locator("#users tbody tr")).to_have_count(3)
    await tab.page.locator("#q").press_sequentially("car")
    await expect(tab.page.locator("#users tbody tr")).to_have_count(1, timeout=PATIENCE_MS)
    await expect(tab.page.locator("#users")).to_contain_text("parked")
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_every_page_is_accessible_fits_and_complains_about_nothing(
    browser: Browser, site: OpenApi, copies: Copies, size: tuple[int, int], scheme: str
) -> None:
    tab = await open_tab(browser, site, size, color_scheme=scheme)
    for path in PAGES:
        await tab.page.goto(path)
        await expect(tab.page.locator("h1")).to_be_visible()
        if path == "/":
            await tab.page.locator("tbody.signal a").first.click()
            await expect(tab.page.locator(".detail").first).to_contain_text("carol", timeout=PATIENCE_MS)
        if "price/" in path:
            await expect(tab.page.locator("#price canvas").first).to_be_visible(timeout=PATIENCE_MS)
        assert await tab.faults() == [], path
        assert await tab.scrolls_sideways() <= 0, path
        assert tab.complaints == [], path
    assert {code for code, _ in tab.answers} == {200}


async def test_axe_core_finds_a_fault_that_is_there(tab: Tab, copies: Copies) -> None:
    await tab.page.goto("/")
    assert await tab.faults() == []
    await tab.page.evaluate("() => document.querySelector('main').append(document.createElement('button'))")
    assert any("button-name" in each for each in await tab.faults())


async def test_one_can_work_with_the_keyboard_alone(tab: Tab, copies: Copies) -> None:
    await tab.page.goto("/")
    await tab.page.keyboard.press("Tab")
    assert await tab.page.evaluate("() => document.activeElement.className") == "skip"
    seen = []
    for _ in range(40):
        await tab.page.keyboard.press("Tab")
        seen.append(await tab.page.evaluate("() => document.activeElement.getAttribute('href') ?? ''"))
    assert {"/tape", "/users", "/prices", "/operations", "/users/carol"} <= set(seen)
    assert any(each.startswith("/tape/") for each in seen)


async def test_without_scripts_the_pages_work_by_links(browser: Browser, site: OpenApi, copies: Copies) -> None:
    tab = await open_tab(browser, site, java_script_enabled=False)
    await tab.page.goto("/")
    await expect(tab.page.locator("tbody.signal").first).to_contain_text("2 of 3 copied")
    await tab.page.locator("tbody.signal a").first.click()
    await expect(tab.page.locator("main")).to_contain_text("the account is parked: the venue refuses the key")
    await tab.page.goto("/users")
    await tab.page.locator("#q").fill("car")
    await tab.page.locator("form.search button").click()
    await expect(tab.page.locator("#users tbody tr")).to_have_count(1)
    assert await tab.page.locator('meta[http-equiv="refresh"]').count() == 1


async def test_the_first_load_of_the_overview_is_light(tab: Tab, copies: Copies) -> None:
    """Every file that the overview loads, compressed as a proxy would: at most 150 kB together."""
    await tab.page.goto("/", wait_until="load")
    await expect(tab.page.locator("#state")).to_be_visible()
    await expect(tab.page.locator("#connection")).to_be_hidden()
    sizes = {}
    for path in {urlsplit(url).path for _, url in tab.answers} - {"/tape/events"}:
        answer = await tab.page.request.get(path)
        sizes[path] = len(gzip.compress(await answer.body()))
    assert {"/", "/static/app.css", "/static/live.js", "/static/vendor/htmx.min.js"} <= sizes.keys()
    assert sum(sizes.values()) <= _BUDGET, sizes


async def test_a_user_is_paused_from_their_page(tab: Tab, copies: Copies) -> None:
    await tab.page.goto("/users/alice")
    await tab.page.get_by_role("link", name="Pause", exact=True).click()
    await expect(tab.page.locator("main")).to_contain_text("Pauses alice: no entries; exits go on.")
    assert await tab.faults() == []
    await tab.page.get_by_label("Why").fill("news")
    await tab.page.get_by_role("button", name="Pause").click()
    await expect(tab.page.locator("main")).to_contain_text("Done. It is in the control log.")
    await expect(tab.page.locator("#state")).to_contain_text("pause: news (local", timeout=PATIENCE_MS)
    await tab.page.goto("/users/alice/settings")
    assert await tab.faults() == []
    assert await tab.scrolls_sideways() <= 0
    assert tab.complaints == []
