"""An action from its link to its end, as a person without scripts does it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from html import unescape

import aiohttp

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.contracts import keys
from tests.integration.api.web.conftest import page
from tests.integration.api.web.test_users import hold
from tests.support.copies import Copies
from tests.support.open_api import OpenApi

_FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


@asynccontextmanager
async def opened(site: OpenApi, path: str) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Open a confirmation; give what fills in the form, presses its button and returns the page that follows."""
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"Accept": "text/html", "Origin": site.url}
    async with aiohttp.ClientSession(site.url, headers=headers, cookie_jar=jar) as client:
        async with client.get(path) as answer:
            text = await answer.text()
            assert answer.status == 200, text

        async def press(**typed: str) -> str:
            form = text.partition('class="confirm"')[2]
            target = re.findall(r'<form method="post" action="([^"]*)" class="confirm"', text)[0]
            fields = [(name, unescape(value)) for name, value in _FIELD.findall(form)]
            async with client.post(target, data=[*fields, *typed.items()]) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.text()

        yield press


async def press(site: OpenApi, path: str, **typed: str) -> str:
    """Open a confirmation and press its button."""
    async with opened(site, path) as button:
        return await button(**typed)


async def mode_of(bus: Bus, key: str) -> str:
    return pairs(await bus.do("HGETALL", key)).get("mode", "")


async def test_a_user_is_paused_and_the_page_says_so(bus: Bus, site: OpenApi, copies: Copies) -> None:
    text = await page(site, "/users/alice/confirm/pause")
    assert "Pauses alice: no entries; exits go on." in text
    assert await mode_of(bus, keys.control("alice")) == ""
    text = await press(site, "/users/alice/confirm/pause", reason="<news>")
    assert "Done. It is in the control log." in text
    assert await mode_of(bus, keys.control("alice")) == "pause"
    assert "pause: &lt;news&gt; (local" in text
    assert "&lt;news&gt;" in await page(site, "/operations")
    await press(site, "/users/alice/confirm/resume")
    assert await mode_of(bus, keys.control("alice")) == "run"


async def test_what_is_sold_is_spelt_out_before_the_button(bus: Bus, site: OpenApi, copies: Copies) -> None:
    await hold(bus, "alice", "0.1", "5000")
    text = await page(site, "/users/alice/confirm/flatten")
    assert "Sells 1 position of alice, about 6,000.00 USD at market, and stops entries until resume." in unescape(text)
    async with opened(site, "/users/alice/confirm/flatten") as button:
        await hold(bus, "alice", "0.2", "10000")  # twice as much as was shown
        assert "Not done: what it would do has changed since it was shown." in await button(reason="x")
    assert await mode_of(bus, keys.control("alice")) == ""


async def test_everybody_is_paused_from_the_overview(bus: Bus, site: OpenApi, copies: Copies) -> None:
    assert 'href="/confirm/pause"' in await page(site, "/")
    text = await press(site, "/confirm/pause", reason="news")
    assert "Kill switch" in text
    assert "pause: news (local" in text
    assert await mode_of(bus, keys.CONTROL) == "pause"


async def test_a_setting_is_explained_before_it_is_written(site: OpenApi, copies: Copies) -> None:
    form = await page(site, "/users/alice/settings")
    assert 'name="set.limits.max_order_pct" value="50"' in form
    query = "set.limits.max_order_pct=25&set.exits.stop_loss_pct=5"
    text = await press(site, f"/users/alice/confirm/settings?{query}", reason="careful")
    assert "Done" in text
    assert 'name="set.limits.max_order_pct" value="25"' in await page(site, "/users/alice/settings")


async def test_what_cannot_be_done_is_said_in_words(site: OpenApi, copies: Copies) -> None:
    for path, code, words in (
        ("/users/alice/confirm/settings", 409, "name at least one setting"),
        ("/users/alice/confirm/settings?set.limits.nonsense=1", 409, "there is no setting"),
        ("/users/alice/confirm/settings?set.limits.max_order_pct=0", 409, "max_order_pct"),
        ("/users/zed/confirm/pause", 404, "there is no user"),
        ("/users/zed/settings", 404, "There is no user zed"),
        ("/users/alice/confirm/reload", 404, "there is no such action"),
        ("/confirm/drop?stream=shoal:signals&entry=1-1", 404, ""),
    ):
        assert words in unescape(await page(site, path, code=code)), path
