"""Followers: a link that works once, and a session that sees one user and nothing of another."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI, Request

from services.api.access.identity import identity_of
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.account import AccountState
from shared.domain.order import OrderState
from shared.sign_in.follower_links import LIFE_MS, FollowerLinks
from shared.sign_in.secret_tokens import digest
from tests.support.app_routes import all_routes, fill
from tests.support.copies import Copies
from tests.support.signed_in import Browser, Site, running_site

_NAMES_BOB = "the API key is also bob's: KRAKEN_USER_BOB_API_KEY and /secrets/kraken/bob/key hold the same key"
_OF_BOB = ("7654321", "reason-of-bob", "0.73190246")


async def two_users(bus: Bus) -> str:
    """Write what two users have; what is bob's is in `_OF_BOB`. Return the id of a signal that both copied."""
    copies = Copies(bus)
    await copies.account("alice", AccountState.PARKED, reason=_NAMES_BOB)  # as the operator needs it
    await copies.account("bob", AccountState.PARKED, equity="7654321", reason="reason-of-bob")
    await copies.serve("alice", "bob")
    signal = await copies.signal()
    for user, reason in (("alice", "scaled"), ("bob", "reason-of-bob")):
        await copies.decide(signal, user, reason=f"{reason}; {_NAMES_BOB}")
        filled = "0.73190246" if user == "bob" else "0.1"
        await copies.report(signal, user, OrderState.FILLED, reason=reason, filled=filled)
    await bus.do("HSET", keys.control("bob"), "mode", "pause", "reason", "reason-of-bob", "by", "bob", "at", "1")
    await bus.do("HSET", keys.order("bob", "bobs-order"), "state", "unknown", "user", "bob", "reason", "reason-of-bob")
    await bus.do("XADD", keys.CONTROL_LOG, "*", "of", "bob", "mode", "pause", "reason", "reason-of-bob", "by", "bob")
    return signal.id


async def test_a_link_opens_one_account_once(site: Site) -> None:
    token = await FollowerLinks(site.bus).create("alice")
    browser = site.browser()
    for _ in range(3):  # messengers open links to preview them
        page = await site.browser().get(f"/link/{token}")
        assert (page.status, "Open my account" in page.text) == (200, True)
    csrf = await browser.csrf(f"/link/{token}")
    reply = await browser.post("/link", csrf=csrf, token=token)
    assert (reply.status, reply.location) == (303, "/users/alice")
    assert "SameSite=Lax" in "".join(reply.cookies)
    answer = await browser.ask("GET", "/session")
    assert '"role":"follower","user":"alice"' in answer.text
    other = site.browser()
    assert (await other.get(f"/link/{token}")).status == 410
    assert (await other.post("/link", csrf=await other.csrf(), token=token)).status == 410
    assert await other.status("/session") == 401
    again = await browser.get(f"/link/{token}")  # the follower, from the message once more
    assert (again.status, again.location) == (303, "/users/alice")


async def test_of_many_at_once_one_gets_in(site: Site) -> None:
    token = await FollowerLinks(site.bus).create("alice")
    browsers = [site.browser() for _ in range(20)]
    tokens = [await each.csrf(f"/link/{token}") for each in browsers]
    replies = await asyncio.gather(
        *(each.post("/link", csrf=csrf, token=token) for each, csrf in zip(browsers, tokens, strict=True))
    )
    assert sorted(each.status for each in replies) == [303] + [410] * 19


async def test_a_link_ends_after_a_quarter_of_an_hour(site: Site) -> None:
    links = FollowerLinks(site.bus)
    token = await links.create("alice")
    key = keys.follower_link(digest(token))
    assert LIFE_MS == 15 * 60 * 1000
    assert LIFE_MS - 60_000 < int(await site.bus.do("PTTL", key)) <= LIFE_MS
    await site.bus.do("PEXPIRE", key, 0)
    browser = site.browser()
    assert (await browser.post("/link", csrf=await browser.csrf(), token=token)).status == 410
    for made_up in ("", "x", "../people", token[:-1], "é" * 40):
        assert (await browser.post("/link", csrf=await browser.csrf(), token=made_up)).status == 410


async def test_using_a_link_needs_the_token_of_its_page(site: Site) -> None:
    token = await FollowerLinks(site.bus).create("alice")
    browser = site.browser()
    assert (await browser.post("/link", token=token)).status == 403
    assert (await browser.post("/link", token=token, csrf=await site.browser().csrf())).status == 403
    assert await FollowerLinks(site.bus).is_open(token)


async def test_revoking_ends_sessions_and_links_of_that_user_only(site: Site) -> None:
    alice, bob = await site.follower("alice"), await site.follower("bob")
    links = FollowerLinks(site.bus)
    unused = await links.create("alice")
    await links.revoke("alice")
    assert [await alice.status("/session"), await bob.status("/session")] == [401, 200]
    assert await links.redeem(unused) is None
    assert await links.redeem(await links.create("alice")) is not None


def add_own_routes(app: FastAPI) -> None:
    """Add routes as other parts of the API have them."""

    @app.get("/users/{user}")
    @app.get("/users/{user}/decisions")
    @app.get("/api/users/{user}/statement")
    @app.post("/users/{user}/pause")
    @app.post("/users/{user}/flatten")
    @app.post("/users/{user}/settings")
    @app.delete("/users/{user}/pause")
    @app.post("/pause")
    async def own(request: Request, user: str = "") -> dict[str, str]:
        return {"user": user, "for": identity_of(request).user}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/users/alice", 200),
        ("GET", "/users/alice/decisions", 200),
        ("GET", "/api/users/alice/statement", 200),
        ("POST", "/users/alice/pause", 200),
        ("POST", "/users/alice/flatten", 200),
        ("DELETE", "/users/alice/pause", 403),
        ("POST", "/users/alice/settings", 403),
        ("POST", "/users/bob/pause", 403),
        ("POST", "/users/bob/flatten", 403),
        ("POST", "/pause", 403),
        ("GET", "/users/bob", 403),
        ("GET", "/users", 403),
        ("GET", "/users/", 403),
        ("GET", "/users/alice2", 403),
        ("GET", "/users/alice/../bob", 403),
        ("GET", "/users/alice/%2e%2e/bob", 403),
        ("GET", "/users//bob", 403),
        ("GET", "/users/ALICE", 403),
        ("GET", "/status", 403),
        ("GET", "/", 403),
        ("GET", "/metrics", 403),
        ("GET", "/openapi.json", 403),
        ("GET", "/not-a-route-yet", 403),
    ],
)
async def test_a_follower_reaches_their_own_account_and_stops_and_sells_it(
    bus: Bus, method: str, path: str, status: int
) -> None:
    async with running_site(bus, add_own_routes) as site:
        browser = await site.follower("alice")
        token = await browser.session_csrf()
        reply = await raw(browser, site.port, method, path, token)
        assert int(reply.split(b" ", 2)[1]) == status
        assert b"bob" not in reply


async def raw(browser: Browser, port: int, method: str, path: str, csrf: str) -> bytes:
    """Send a request whose path no client tidies up, with the browser's cookies."""
    cookies = "; ".join(f"{each.key}={each.value}" for each in browser.session.cookie_jar)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\nX-CSRF-Token: {csrf}\r\n"
    writer.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(60):
        found = await reader.read()
    writer.close()
    return found


@dataclass(frozen=True, slots=True)
class More:
    """What a request carries beside its path and query."""

    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def _ways(last_report: str, *, json_too: bool) -> list[tuple[str, More]]:
    """Return the places beside the path in which bob's ids can stand: query, Last-Event-ID, form, JSON."""
    found = [
        ("", More()),
        ("?user=bob&users=bob&q=bob", More()),
        (f"?after={last_report}&before={last_report}&venue=kraken&order=bobs-order", More()),
        ("", More({"last-event-id": last_report})),
        ("", More({"last-event-id": "0-0", "hx-request": "true", "referer": "/users/bob"})),
    ]
    if json_too:
        fields = {"user": "bob", "order": "bobs-order", "reason": "x", "token": "x"}
        form = {"content-type": "application/x-www-form-urlencoded"}
        found += [
            ("", More({"content-type": "application/json"}, json.dumps(fields))),
            ("", More(form, urlencode(fields))),
            ("", More(form, urlencode({**fields, "next": "/users/bob"}))),
        ]
    return found


async def read_some(browser: Browser, method: str, path: str, headers: dict[str, str], body: str = "") -> bytes:
    """Send a request and read its answer; of one that never ends what comes within two seconds."""
    read = b""
    try:
        async with (
            asyncio.timeout(2),
            browser.session.request(
                method, path, headers=headers, allow_redirects=False, data=body.encode() or None
            ) as answer,
        ):
            read = f"{answer.status} {dict(answer.headers)}".encode()
            async for piece in answer.content.iter_any():
                read += piece
    except TimeoutError:
        pass
    return read


@pytest.mark.parametrize(("method", "template"), all_routes())
async def test_no_route_gives_a_follower_a_byte_about_another_user(bus: Bus, method: str, template: str) -> None:
    """Whatever is asked, with any user in the path or the query."""
    signal = await two_users(bus)
    async with running_site(bus) as site:
        browser = await site.follower("alice")
        headers = {"x-csrf-token": await browser.session_csrf(), "accept": "text/html, application/json"}
        users = {"user": ["alice", "bob"], "name": ["alice", "bob"], "action": ["pause", "flatten", "halt", "settings"]}
        (last, _), *_ = await bus.do("XREVRANGE", keys.reports("bob"), "+", "-")
        ways = _ways(last, json_too=method != "GET")
        for path in fill(template, users, [signal, "BTC/USD", "kraken", "bob"]):
            for query, more in ways:
                if template == "/sign-out":
                    continue  # ends the session, and answers nothing but the way to the form
                found = await read_some(browser, method, path + query, {**headers, **more.headers}, more.body)
                if not query and not more.headers and "bob" not in path + more.body:
                    assert b"bob" not in found.lower(), path
                assert not [word for word in _OF_BOB if word.encode() in found], (path, query)
    assert await bus.do("HGET", keys.control("bob"), "mode") == "pause"
    assert await bus.do("EXISTS", keys.control("alice")) == 0


async def test_the_bytes_that_are_looked_for_are_there_for_an_operator(bus: Bus) -> None:
    """Or the test above could not fail."""
    signal = await two_users(bus)
    async with running_site(bus) as site:
        browser = await site.signed_in()
        seen = "".join(
            [(await browser.ask("GET", path)).text for path in ("/status", f"/signals/{signal}", "/metrics")]
        )
        assert [word for word in _OF_BOB if word not in seen] == []
        assert len(all_routes()) > 10
