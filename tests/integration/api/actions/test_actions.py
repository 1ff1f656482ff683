"""Actions over HTTP: as JSON with a token, as forms of pages, by roles; and every error as a problem document."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.control import ControlMode
from shared.domain.values.symbol import Symbol
from shared.operations.control_log import read_changes
from shared.operations.switches import Scope, set_switch
from shared.sign_in.access_tokens import AccessToken, AccessTokens
from shared.sign_in.role import Role
from tests.support.operating import hold, quote
from tests.support.signed_in import Browser, Site

FLATTEN_OWN = "/api/users/alice/actions/flatten"
PAUSE_OWN = "/api/users/alice/actions/pause"


async def program(site: Site, role: Role = Role.OPERATOR) -> dict[str, str]:
    """Return the headers of a program with a token."""
    token = await AccessTokens(site.bus).create(AccessToken(f"robot-{role}", role, "test", 1))
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}


async def ask(site: Site, method: str, path: str, headers: dict[str, str], body: object = None) -> tuple[int, Any]:
    """Send a request of a program; errors must be problem documents."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession(site.origin) as client,
        client.request(method, path, headers=headers, data=data) as answer,
    ):
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json", (path, answer.content_type)
            found = await answer.json(content_type=None)
            assert found["status"] == answer.status
            assert found["title"]
            assert found["detail"]
            assert found["type"] == "about:blank" or found["type"].startswith("urn:shoal:")
            return answer.status, found
        return answer.status, await answer.json()


async def test_a_program_asks_and_then_does_it(site: Site) -> None:
    await hold(site.bus, "alice", "BTC/USD", "0.02", "1000")
    await quote(site.bus, "BTC/USD", "62000")
    headers = await program(site)
    status, shown = await ask(site, "GET", "/actions/flatten?user=alice", headers)
    assert (status, shown["text"]) == (
        200,
        "sells 1 position of alice, about 1,240.00 USD at market, and stops entries until resume",
    )
    assert shown["figures"] == {"users": "1", "positions": "1", "value USD": "1240"}
    body = {"user": "alice", "token": shown["token"], "reason": "she asked"}
    results = [await ask(site, "POST", "/actions/flatten", headers, body) for _ in range(2)]
    assert [(status, done["repeated"]) for status, done in results] == [(200, False), (200, True)]
    assert await site.bus.do("HGET", keys.control("alice"), "mode") == "flatten"
    (change,) = await read_changes(site.bus, 10)
    assert (change.by, change.reason, change.action) == ("token robot-operator", "she asked", "flatten")
    _, log = await ask(site, "GET", "/control-log", headers)
    assert [(each["of"], each["effect"]) for each in log] == [("alice", shown["text"])]


async def test_a_changed_consequence_is_answered_with_the_new_one(site: Site) -> None:
    headers = await program(site)
    _, shown = await ask(site, "GET", "/actions/flatten?user=alice", headers)
    assert shown["text"].startswith("sells nothing of alice")
    await hold(site.bus, "alice", "BTC/USD", "0.02", "1000")
    body = {"user": "alice", "token": shown["token"], "reason": "test"}
    status, refused = await ask(site, "POST", "/actions/flatten", headers, body)
    assert (status, refused["type"]) == (409, "urn:shoal:consequence-changed")
    assert refused["consequence"]["text"].startswith("sells 1 position of alice, about 1,000.00 USD")
    assert await site.bus.do("EXISTS", keys.control("alice")) == 0
    status, _ = await ask(site, "POST", "/actions/flatten", headers, {**body, "token": refused["consequence"]["token"]})
    assert status == 200


async def test_a_page_posts_a_form_and_is_led_on(site: Site) -> None:
    browser = await site.signed_in()
    _, shown = json_of(await browser.ask("GET", "/actions/pause?user=bob"))
    form = {"user": "bob", "token": shown["token"], "reason": "news", "next": "/users/bob?tab=actions"}
    assert (await browser.post("/actions/pause", **form)).status == 403, "without the form's csrf token"
    assert await site.bus.do("EXISTS", keys.control("bob")) == 0
    csrf = await browser.session_csrf()
    for result in ("done", "repeated"):
        reply = await browser.post("/actions/pause", csrf=csrf, **form)
        assert (reply.status, reply.location) == (303, f"/users/bob?tab=actions&action=pause&result={result}")
    assert await site.bus.do("HGET", keys.control("bob"), "mode") == "pause"
    (change,) = await read_changes(site.bus, 10)
    assert (change.by, change.of) == ("operator", "bob")
    changed = await browser.post(
        "/actions/pause", csrf=csrf, **{**form, "token": "x", "next": "https://elsewhere.example/"}
    )
    assert (changed.status, changed.location) == (303, "/?action=pause&result=bad-confirmation")


def json_of(reply: Any) -> tuple[int, Any]:
    return reply.status, json.loads(reply.text)


async def test_it_is_visible_within_a_second(site: Site) -> None:
    headers = await program(site)
    await ask(site, "GET", "/status", headers)  # what is shown now may be kept
    for action, symbol in (("pause", ""), ("pause", "BTC/USD")):
        _, shown = await ask(site, "GET", f"/actions/{action}?symbol={symbol}", headers)
        await ask(
            site, "POST", f"/actions/{action}", headers, {"symbol": symbol, "token": shown["token"], "reason": "news"}
        )
    _, status = await ask(site, "GET", "/status", headers)
    assert "pause" in str(status["control"])
    assert status["symbol_switches"] == {"BTC/USD": "pause news"}


async def test_a_switch_by_another_process_is_seen_as_soon_as_the_log_says_so(site: Site) -> None:
    headers = await program(site)
    await ask(site, "GET", "/status", headers)  # the switches of symbols are kept for longer than a second
    await set_switch(site.bus, Scope(symbol=Symbol("BTC", "USD")), ControlMode.HALT, "ops", "bo", 1)
    async with asyncio.timeout(10):
        while not (await ask(site, "GET", "/status", headers))[1]["symbol_switches"]:  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.1)


async def test_a_follower_pauses_and_sells_their_own_account_only(site: Site) -> None:
    alice = await site.follower("alice")
    await hold(site.bus, "alice", "BTC/USD", "0.02", "1000")
    await hold(site.bus, "bob", "BTC/USD", "5", "300000")
    csrf = await alice.session_csrf()
    for path in (PAUSE_OWN, FLATTEN_OWN):
        status, shown = json_of(await alice.ask("GET", path))
        assert (status, "alice" in shown["text"]) == (200, True)
        reply = await alice.post(path, csrf=csrf, token=shown["token"])
        assert (reply.status, reply.location.partition("&")[2]) == (303, "result=done"), reply.text
        assert reply.location.startswith("/users/alice?")
    assert await site.bus.do("HGET", keys.control("alice"), "mode") == "flatten"
    changes = await read_changes(site.bus, 10)
    assert [(each.action, each.by, each.of) for each in changes] == [
        ("flatten", "alice (follower)", "alice"),
        ("pause", "alice (follower)", "alice"),
    ]
    for path in (
        "/api/users/bob/actions/flatten",
        "/actions/flatten?user=bob",
        "/actions/flatten?user=alice",
        "/actions/resume?user=alice",
        "/api/users/alice/actions/resume",
        "/api/users/alice/actions/settings",
        "/control-log",
    ):
        for reply in (
            await alice.ask("GET", path),
            await alice.post(path, csrf=csrf, token=shown["token"], user="bob"),
        ):
            assert reply.status in {403, 404, 405, 422}, (path, reply.status)
            assert "300,000" not in reply.text
    tricked = await alice.post(PAUSE_OWN, csrf=csrf, token=shown["token"], user="bob", reason="x")
    assert "result=done" not in tricked.location
    assert await site.bus.do("EXISTS", keys.control("bob")) == 0


@pytest.mark.parametrize("mode", [ControlMode.HALT, ControlMode.FLATTEN])
async def test_a_follower_never_loosens_what_an_operator_has_set(site: Site, mode: ControlMode) -> None:
    await set_switch(site.bus, Scope("alice"), mode, "key leaked", "olga", 1)
    alice = await site.follower("alice")
    csrf = await alice.session_csrf()
    path = FLATTEN_OWN if mode is ControlMode.HALT else PAUSE_OWN
    assert (await alice.ask("GET", path)).status == 403
    operator = await site.signed_in()
    _, shown = json_of(await operator.ask("GET", path))
    reply = await alice.post(path, csrf=csrf, token=shown["token"])
    assert (reply.status, "olga" in reply.text) == (403, True)
    assert await site.bus.do("HGET", keys.control("alice"), "mode") == mode


async def test_a_follower_does_not_put_their_name_over_an_operators(site: Site) -> None:
    await set_switch(site.bus, Scope("alice"), ControlMode.PAUSE, "key leaked", "olga", 1)
    alice = await site.follower("alice")
    csrf = await alice.session_csrf()
    refused = await alice.ask("GET", PAUSE_OWN)
    assert (refused.status, "pause is set by olga" in refused.text) == (403, True)
    assert (await alice.get("/users/alice/confirm/pause")).status == 403
    _, shown = json_of(await alice.ask("GET", FLATTEN_OWN))  # which is stricter
    for result in ("done", "repeated"):  # the second one finds their own
        reply = await alice.post(FLATTEN_OWN, csrf=csrf, token=shown["token"])
        assert reply.location.endswith(f"result={result}")
    assert await site.bus.do("HGET", keys.control("alice"), "by") == "alice (follower)"


async def test_a_viewer_changes_nothing(site: Site) -> None:
    browser: Browser = await site.signed_in("vera", Role.VIEWER)
    csrf = await browser.session_csrf()
    for path in ("/actions/pause", "/actions/pause?user=alice", PAUSE_OWN):
        assert (await browser.ask("GET", path)).status == 403
        assert (await browser.post(path, csrf=csrf, token="x", reason="x")).status == 403
    assert (await browser.ask("GET", "/control-log")).status == 200
    assert not await read_changes(site.bus, 5)


async def test_settings_by_json_and_by_a_form(site: Site) -> None:
    headers = await program(site)
    setting = "limits.max_order_pct"
    status, shown = await ask(site, "GET", f"/actions/settings?user=alice&set={setting}=25", headers)
    assert (status, shown["text"]) == (
        200,
        f"changes 1 setting of alice: no entry above 25 % of the equity ({setting}: 50 -> 25)",
    )
    body = {"user": "alice", "token": shown["token"], "reason": "careful", "settings": {setting: "25"}}
    assert (await ask(site, "POST", "/actions/settings", headers, body))[0] == 200
    status, refused = await ask(site, "GET", f"/actions/settings?user=alice&set={setting}=250", headers)
    assert (status, refused["type"]) == (422, "urn:shoal:action-refused")
    assert "Input should" not in refused["detail"]
    browser = await site.signed_in()
    _, shown = json_of(await browser.ask("GET", f"/actions/settings?user=alice&set={setting}=20&set=enabled=true"))
    form = {"user": "alice", "token": shown["token"], "reason": "form", f"set.{setting}": "20", "set.enabled": "true"}
    reply = await browser.post("/actions/settings", csrf=await browser.session_csrf(), **form)
    assert reply.location == "/?action=settings&result=done"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("DELETE", "/status", None, 405),
        ("GET", "/signals?count=0", None, 422),
        ("GET", "/signals?count=many", None, 422),
        ("GET", "/signals/nothing", None, 404),
        ("GET", "/actions/dance", None, 422),
        ("GET", "/actions/pause?user=zed", None, 404),
        ("GET", "/actions/pause?user=alice&symbol=BTC/USD", None, 422),
        ("GET", f"/actions/pause?user={'x' * 300}", None, 422),
        ("GET", "/actions/lift?user=alice", None, 422),
        ("GET", "/actions/retry?stream=shoal:signals&entry=1-0", None, 404),
        ("GET", "/actions/settings?user=alice&set=nonsense=1", None, 422),
        ("GET", "/control-log?before=x", None, 422),
        ("POST", "/actions/pause", {"user": "alice", "token": "x", "reason": "x"}, 400),
        ("POST", "/actions/pause", {"user": "alice", "reason": "x"}, 400),
        ("POST", "/actions/pause", {"usr": "alice"}, 422),
        ("POST", "/actions/pause", [], 422),
        ("POST", "/actions/pause", b"{", 422),
        ("POST", "/actions/pause", b"[" * 100_000, 422),
        ("POST", "/actions/pause", b"1" * 5_000, 422),
        ("POST", "/actions/pause", b" " * 300_000, 413),
    ],
)
async def test_every_error_is_a_problem_document_in_plain_words(
    site: Site, method: str, path: str, body: object, status: int
) -> None:
    found = await ask(site, method, path, await program(site), body)
    assert found[0] == status, found
    assert "Input should" not in found[1]["detail"]
    assert "pydantic" not in str(found[1])


async def test_an_unknown_kind_of_body_is_refused(site: Site) -> None:
    headers = {**await program(site), "content-type": "text/plain"}
    assert (await ask(site, "POST", "/actions/pause", headers, b"user=alice"))[0] == 415


async def test_strangers_get_a_problem_document_too(site: Site) -> None:
    for method, path in (("GET", "/status"), ("GET", "/actions/pause"), ("POST", "/actions/pause"), ("GET", PAUSE_OWN)):
        assert (await ask(site, method, path, {"content-type": "application/json"}, b"{}"))[0] == 401


async def test_an_outage_of_redis_is_a_problem_document(bus: Bus, site: Site) -> None:
    headers = await program(site)
    await bus.do("SET", keys.CONTROL_LOG, "not a stream")
    status, found = await ask(site, "GET", "/control-log", headers)
    assert (status, found["type"]) == (503, "urn:shoal:redis-unavailable")
