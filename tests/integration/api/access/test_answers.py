"""What every answer carries: cookies, policies, no way to another site; and streams that end with their session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse

from services.api.access import middleware
from services.api.access.answer import PAGE_POLICY
from services.api.access.refusals import safe_path
from shared.bus.connection import Bus
from shared.sign_in.access_tokens import AccessToken, AccessTokens
from shared.sign_in.people import People
from shared.sign_in.role import Role
from tests.support.app_routes import all_routes, fill
from tests.support.signed_in import HASHED, PASSWORD, Site, running_site

_ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/%0d%0aLocation:https://evil.example//",
    "javascript:alert(1)",
    "evil.example",
    "/.//evil.example",
    "/x//evil.example",
    " /x",
    "/x\r\nSet-Cookie: a=b",
    "/\u2028",
    "/" + "x" * 1000,
    "@evil.example",
    "/sign-in?next=/sign-in",
]


@pytest.mark.parametrize("given", _ELSEWHERE)
async def test_nothing_leads_to_another_site(site: Site, given: str) -> None:
    assert safe_path(given) == ""
    await site.person()
    browser = site.browser()
    reply = await browser.sign_in(next=given)
    assert (reply.status, reply.location) == (303, "/")
    shown = await site.browser().ask("GET", "/sign-in", {"accept": "text/html"})
    assert "evil" not in shown.text
    async with browser.session.get("/sign-in", params={"next": given}, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("given", ["/", "/users/alice?page=2&q=a%20b", "/signals/1-1", "/price/BTC/USD"])
def test_a_path_of_the_page_is_kept(given: str) -> None:
    assert safe_path(given) == given


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    await site.person()
    form = (await site.browser().get("/sign-in")).cookies
    (visit,) = form
    assert visit.startswith("shoal_visit=")
    session, cleared, known = (await site.browser().sign_in()).cookies
    assert known.startswith("shoal_browser=")
    assert session.startswith("shoal_session=")
    assert cleared.startswith("shoal_visit=; ")
    for cookie in (visit, session, known):
        parts = set(cookie.split("; ")[1:])
        assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= parts
        assert "Secure" not in parts
        assert not any(part.startswith("Domain") for part in parts)


async def test_over_https_cookies_are_secure_and_of_this_host_alone(site: Site) -> None:
    await site.person()
    browser = site.browser()
    https = {"x-forwarded-proto": "https", "accept": "text/html"}
    page = await browser.ask("GET", "/sign-in", https)
    (visit,) = page.cookies
    assert visit.startswith("__Host-shoal_visit=")
    csrf = page.text.partition('name="csrf" value="')[2][:64]
    form = {"csrf": csrf, "name": "operator", "password": PASSWORD}
    host = f"https://127.0.0.1:{site.port}"
    cookie = {"cookie": visit.partition(";")[0]}
    plain = await browser.ask("POST", "/sign-in", {**https, **cookie, "origin": site.origin}, form)
    assert plain.status == 403  # the page came by https, the form from a page that did not
    reply = await browser.ask("POST", "/sign-in", {**https, **cookie, "origin": host}, form)
    assert reply.status == 303
    session = reply.cookies[0]
    assert session.startswith("__Host-shoal_session=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(session.split("; "))
    held = {"cookie": session.partition(";")[0]}
    assert (await browser.ask("GET", "/status", {**held, "x-forwarded-proto": "https"})).status == 200
    assert (await browser.ask("GET", "/status", held)).status == 401


@pytest.mark.parametrize(("method", "template"), [each for each in all_routes() if each[0] == "GET"])
async def test_every_answer_has_its_policies(site: Site, method: str, template: str) -> None:
    """For a person who is signed in, and for a stranger."""
    for browser in (await site.signed_in(), site.browser()):
        for path in fill(template, {"user": ["alice"]}, ["1-1"]):
            try:
                async with asyncio.timeout(10), browser.session.request(method, path, allow_redirects=False) as answer:
                    headers = answer.headers
            except TimeoutError:
                pytest.fail(f"{path} sent no headers")
            policy = headers["Content-Security-Policy"]
            assert "unsafe-" not in policy, path
            assert policy.startswith("default-src 'none'"), path
            for needed in ("frame-ancestors 'none'", "base-uri 'none'"):
                assert needed in policy, path
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
            assert "no-store" in headers["Cache-Control"] or path.startswith(("/static/", "/access.css")), path


def add_page_and_stream(app: FastAPI) -> None:
    """Add a page that sets no policy, and a stream that never ends."""

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>hello", headers={"Cache-Control": "public, max-age=60"})

    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b": still here\n\n"
            await asyncio.sleep(0.02)

    @app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(ticks(), media_type="text/event-stream")


async def test_a_page_without_a_policy_gets_one_and_is_not_kept(bus: Bus) -> None:
    async with running_site(bus, add_page_and_stream) as site:
        browser = await site.signed_in()
        reply = await browser.get("/page")
        headers = reply.headers
        assert headers["content-security-policy"] == PAGE_POLICY
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.cookies == []


@pytest.mark.parametrize("ends", [True, False])
async def test_an_open_stream_ends_with_its_session(bus: Bus, monkeypatch: pytest.MonkeyPatch, ends: bool) -> None:
    monkeypatch.setattr(middleware, "CHECK_EVERY", 0.1)
    async with running_site(bus, add_page_and_stream) as site:
        browser = await site.signed_in("anna")
        async with browser.session.get("/events", timeout=aiohttp.ClientTimeout(60)) as answer:
            assert answer.status == 200
            await answer.content.readexactly(20)
            await People(bus).write("anna" if ends else "boris", Role.OPERATOR, HASHED, 2)
            if ends:
                async with asyncio.timeout(30):
                    while await answer.content.read(4096):
                        pass
                assert await browser.status() == 401
            else:
                await answer.content.readexactly(14 * 100)  # two seconds and twenty questions later it is still there


async def test_an_open_stream_ends_with_the_token_of_its_program(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "CHECK_EVERY", 0.1)
    async with running_site(bus, add_page_and_stream) as site:
        tokens = AccessTokens(bus)
        bearer = {"authorization": f"Bearer {await tokens.create(AccessToken('script', Role.VIEWER, 'test', 1))}"}
        stream = site.browser().session.get("/events", headers=bearer, timeout=aiohttp.ClientTimeout(60))
        async with stream as answer:
            await answer.content.readexactly(14 * 50)
            assert await tokens.revoke("script")
            async with asyncio.timeout(30):
                while await answer.content.read(4096):
                    pass


async def test_one_session_cannot_keep_every_connection_busy(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MOST_AT_ONCE", 3)
    async with running_site(bus, add_page_and_stream) as site:
        browser, other = await site.signed_in("anna"), await site.signed_in("boris")
        opened = [await browser.session.get("/events", timeout=aiohttp.ClientTimeout(60)) for _ in range(3)]
        assert [answer.status for answer in opened] == [200] * 3
        assert (await browser.ask("GET", "/page")).status == 429
        assert (await other.ask("GET", "/page")).status == 200
        opened.pop().close()
        async with asyncio.timeout(30):
            while (await browser.ask("GET", "/page")).status == 429:  # noqa: ASYNC110  # until the close has arrived
                await asyncio.sleep(0.05)
        for answer in opened:
            answer.close()


async def test_it_answers_under_the_name_of_api_url(bus: Bus) -> None:
    async with running_site(bus, api_url="https://page.example") as site:
        browser = site.browser()
        for host, status in (("page.example", 200), ("other.example", 421), ("127.0.0.1", 200)):
            assert (await browser.ask("GET", "/healthz", {"host": host})).status == status


async def test_the_form_works_without_scripts_or_styles_from_elsewhere(site: Site) -> None:
    text = (await site.browser().get("/sign-in")).text
    assert "<script" not in text
    assert "style=" not in text
    assert "http" not in text.lower().replace("http-equiv", "")
    for label in ('for="name"', 'for="password"', 'autocomplete="current-password"', 'lang="en"'):
        assert label in text
    style = await site.browser().ask("GET", "/access.css")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
