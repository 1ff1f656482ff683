"""What every page has in common: escaping, policy, words for what is empty or broken, and who may see it."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser

import aiohttp
import pytest

from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import HeartbeatRecord
from shared.domain.account import MASTER, AccountState
from shared.domain.order import OrderState
from shared.domain.values.money import Price
from tests.integration.api.web.conftest import PAGES, page
from tests.support.copies import BTC, Copies, now_ms
from tests.support.open_api import OpenApi
from tests.support.operating import leave_unknown

ORDER = "0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11"
EVIL = "<img src=x onerror=alert(1)>\"'&"


class Markup(HTMLParser):
    """Collects what a page must not contain: foreign elements, inline scripts and styles, handlers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag in {"img", "style", "iframe"} or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or re.fullmatch("on[a-z]+", name)]


async def poison(bus: Bus, copies: Copies) -> str:
    """Write a value that would be markup wherever a text is shown; return a signal's entry id."""
    records = Records(bus)
    for name in (MASTER, "alice"):
        await copies.account(name, AccountState.PARKED, reason=EVIL)
    await records.write_heartbeat("executor", "e", HeartbeatRecord(state=EVIL, version=EVIL))
    await bus.do("HSET", keys.CONTROL, "mode", "pause", "reason", EVIL, "by", EVIL, "at", "1")
    await bus.do("HSET", keys.control("alice"), "mode", "pause", "reason", EVIL, "by", EVIL)
    await bus.do("XADD", keys.CONTROL_LOG, "*", "of", EVIL, "before", EVIL, "mode", EVIL, "reason", EVIL, "by", EVIL)
    await bus.do("XADD", keys.dead(keys.orders("alice")), "*", "entry_id", EVIL, "reason", EVIL)
    await bus.do("XADD", keys.orders("alice"), "1-1", "id", "x", "signal_id", "s")
    await bus.do("HSET", keys.account("alice", "kraken"), "doctor", "refused", "doctor_text", EVIL, "doctor_at", "1")
    await bus.do("HSET", keys.differences("alice", "kraken"), "BTC/USD", EVIL)
    await bus.do("XADD", keys.stopouts("alice"), "*", "venue", EVIL, "reason", EVIL)
    named = ("side", "venue", "reason", "base_size", "limit_price", "client_order_id", "venue_order_id")
    await leave_unknown(bus, ORDER, symbol=f"{EVIL}/{EVIL}", **dict.fromkeys(named, EVIL))
    await bus.do("HSET", keys.positions("alice", "kraken"), EVIL, EVIL)
    await records.write_prices("kraken", [Price(Decimal(60_000), BTC)], now_ms())
    told = await copies.signal()
    await copies.decide(told, "alice", reason=EVIL)
    await copies.report(told, "alice", OrderState.FAILED, reason=EVIL)
    fields = ("venue", "symbol", "side", "kind", "base_size", "price", "fraction", "master_equity", "filled_at")
    entry = await bus.do("XADD", keys.SIGNALS, "*", *(part for name in fields for part in (name, EVIL)))
    await bus.do("XADD", keys.orders("alice"), entry, "id", EVIL, "reason", EVIL, "symbol", EVIL, "side", EVIL)
    await bus.do("XADD", keys.reports("alice"), "*", "order_id", EVIL, "reason", EVIL, "outcome", EVIL, "code", EVIL)
    return str(entry)


async def test_every_value_is_escaped_on_every_page(bus: Bus, site: OpenApi, copies: Copies) -> None:
    entry = await poison(bus, copies)
    shown = 0
    form = f"/operations/orders/alice/{ORDER}"
    searches = ["/users?q=<img>", "/prices?q=<img>", f"/tape/{entry}?q=<img>", f"{form}?size=<img>"]
    for path in [*PAGES, f"/tape/{entry}", form, *searches]:
        text = await page(site, path)
        assert Markup(text).found == [], path
        shown += text.count("&lt;img")
    assert shown > 40


async def test_every_page_has_the_strict_policy(site: OpenApi, copies: Copies) -> None:
    async with aiohttp.ClientSession(site.url) as client:
        for path in [*PAGES, "/users/nobody"]:
            async with client.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Frame-Options"] == "DENY"
            assert "unsafe" not in policy
            parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
            assert (parts["default-src"], parts["script-src"], parts["style-src"]) == ("'none'", "'self'", "'self'")
            assert parts["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_comes_from_elsewhere_and_nothing_is_inline(site: OpenApi, copies: Copies, path: str) -> None:
    text = await page(site, path)
    for tag in re.findall(r"<(?:script|link|img|iframe)[^>]*>", text):
        address = re.search(r'(?:src|href)="([^"]*)"', tag)
        assert address, tag
        assert address[1].startswith("/static/"), tag
    assert Markup(text).found == []


async def test_an_empty_system_is_described_in_words(site: OpenApi) -> None:
    for path, words in (
        ("/", "There are no signals yet"),
        ("/tape", "There are no signals yet"),
        ("/users?q=zzz", "No user matches this search"),
        ("/users/alice", "Nothing was decided for this user yet"),
        ("/users/alice", "Nothing is held from copying"),
        ("/prices", "No price is known yet"),
        ("/operations", "None: the end of every order is known"),
        ("/operations", "None: every entry could be read"),
        ("/operations", "Nothing has been changed yet"),
        ("/operations", "No process has a heartbeat"),
    ):
        assert words in await page(site, path), path


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/users/zed", "There is no user zed"),
        ("/tape/1-1", "There is no signal 1-1"),
        ("/tape/nothing", "There is no signal nothing"),
        ("/price/BTC/b%3C", "is not a symbol"),
    ],
)
async def test_what_does_not_exist_is_a_page_in_words(site: OpenApi, path: str, words: str) -> None:
    assert words in await page(site, path, code=404)


async def test_the_mode_and_what_is_wrong_are_on_the_overview(bus: Bus, site: OpenApi, copies: Copies) -> None:
    text = await page(site, "/")
    assert "PAPER: no real money" in text
    assert text.index("carol: parked: kraken: the venue refuses the key") < text.index("Kill switch")
    assert "15,000.00 USD" in text
    await Records(bus).write_heartbeat("executor", "l", HeartbeatRecord(state="running", mode="live"))
    async with OpenAgain(site):
        text = await page(site, "/")
    assert "LIVE: real money" in text
    assert "PAPER" not in text


class OpenAgain:
    """Restarts an API, so that nothing is left of what it had read."""

    def __init__(self, site: OpenApi) -> None:
        self._site = site

    async def __aenter__(self) -> None:
        await self._site.stop()
        await self._site.start()

    async def __aexit__(self, *_: object) -> None:
        pass


async def test_without_scripts_every_page_reloads_itself(
    bus: Bus, site: OpenApi, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.web.rendering.Pages.scripts_are_there", staticmethod(lambda: False))
    async with OpenAgain(site):
        for path in PAGES:
            text = await page(site, path)
            assert "<script" not in text
            assert '<meta http-equiv="refresh"' in text
            assert "make web" in text
