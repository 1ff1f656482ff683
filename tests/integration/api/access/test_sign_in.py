"""Signing in and out, and what ends a session."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from services.api.access.identity import Identity
from services.api.access.sessions import FOLLOWERS, STAFF, Sessions
from services.api.access.sign_in.desk import Refused, SignIn
from services.api.access.sign_in.verifier import AT_ONCE, MOST_WAITING, PasswordVerifier
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.sign_in.people import People
from shared.sign_in.role import Role
from shared.sign_in.secret_tokens import digest
from tests.support.signed_in import HASHED, PASSWORD, Site


async def test_without_a_session_pages_lead_to_the_form_and_programs_get_401(site: Site) -> None:
    browser = site.browser()
    page = await browser.get("/")
    assert (page.status, page.location) == (303, "/sign-in")
    page = await browser.get("/signals?count=3")
    assert (page.status, page.location) == (303, "/sign-in?next=%2Fsignals%3Fcount%3D3")
    answer = await browser.ask("GET", "/status")
    assert answer.status == 401
    assert json.loads(answer.text)["status"] == 401
    part = await browser.ask("GET", "/", {"hx-request": "true", "accept": "text/html"})
    assert (part.status, part.headers["hx-redirect"]) == (401, "/sign-in")


async def test_the_right_password_opens_everything_and_leads_back(site: Site) -> None:
    await site.person()
    browser = site.browser()
    reply = await browser.sign_in(next="/signals?count=3")
    assert (reply.status, reply.location) == (303, "/signals?count=3")
    assert await browser.status() == 200
    answer = await browser.ask("GET", "/session")
    assert {"name": "operator", "role": "operator", "user": ""}.items() <= json.loads(answer.text).items()
    again = await browser.get("/sign-in")
    assert (again.status, again.location) == (303, "/")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("operator", "wrong"),
        ("operator", ""),
        ("operator", PASSWORD + " "),
        ("operator", PASSWORD.upper()),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("operator\n", "x" * 5000),
        ("../people", "\x00\ud83d"),
    ],
)
async def test_a_wrong_password_is_refused(site: Site, name: str, password: str) -> None:
    await site.person()
    browser = site.browser()
    reply = await browser.post(
        "/sign-in", csrf=await browser.csrf(), name=name, password=password.encode("utf-8", "replace").decode()
    )
    assert reply.status == 403
    assert "The name or the password is wrong." in reply.text
    assert reply.cookies == []
    assert await browser.status() == 401


async def test_the_session_is_a_new_one_whatever_the_browser_had(site: Site) -> None:
    """A token that an attacker has planted must not become a session."""
    await site.person()
    browser = site.browser()
    planted = "A" * 43
    browser.session.cookie_jar.update_cookies({"shoal_session": planted})
    reply = await browser.sign_in()
    assert reply.status == 303
    assert planted not in "".join(reply.cookies)
    first = next(each for each in reply.cookies if each.startswith("shoal_session="))
    assert await browser.status() == 200
    second = await site.signed_in()
    assert first.split(";")[0] not in str(list(second.session.cookie_jar))


async def test_signing_out_ends_the_session_for_whoever_has_its_token(site: Site) -> None:
    browser = await site.signed_in()
    (token,) = [each.value for each in browser.session.cookie_jar if each.key == "shoal_session"]
    reply = await browser.post("/sign-out", csrf=await browser.session_csrf())
    assert (reply.status, reply.location) == (303, "/sign-in")
    assert "Max-Age=0" in "".join(reply.cookies)
    thief = site.browser()
    thief.session.cookie_jar.update_cookies({"shoal_session": token})
    assert await thief.status() == 401


@pytest.mark.parametrize("change", ["password", "role", "removed"])
async def test_a_change_of_the_person_ends_their_sessions_and_nobody_elses(site: Site, change: str) -> None:
    browsers = [await site.signed_in("anna"), await site.signed_in("anna")]
    other = await site.signed_in("boris")
    # `signed_in` writes the person again: only the last of anna's sessions is alive
    assert [await each.status() for each in browsers] == [401, 200]
    match change:
        case "password":
            await People(site.bus).write("anna", Role.OPERATOR, HASHED, 2)
        case "role":
            await People(site.bus).write("anna", Role.VIEWER, HASHED, 2)
        case _:
            await People(site.bus).remove("anna")
    assert [await each.status() for each in browsers] == [401, 401]
    assert await other.status() == 200


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.FOLLOWER])
async def test_a_session_ends_when_idle_and_at_its_absolute_end(bus: Bus, role: Role) -> None:
    sessions, life = Sessions(bus), FOLLOWERS if role is Role.FOLLOWER else STAFF
    await bus.do("HSET", keys.GENERATIONS, "person:anna", "g1")
    token = await sessions.start(Identity("anna", role), "person:anna", "g1")
    key = keys.session(digest(token))
    await bus.do("PEXPIRE", key, 1000 * 60)
    assert await sessions.find(token) == Identity("anna", role)
    assert life.idle - 60_000 < int(await bus.do("PTTL", key)) <= life.idle  # use puts the idle time-out off
    record = json.loads(await bus.do("GET", key))
    assert record["until"] - record["idle"] > 0
    seconds, _ = await bus.do("TIME")
    near = int(seconds) * 1000 + 90_000
    await bus.do("SET", key, json.dumps({**record, "until": near}), "PX", life.idle)
    assert await sessions.find(token)
    assert int(await bus.do("PTTL", key)) <= 91_000  # but never beyond the absolute end
    await bus.do("SET", key, json.dumps({**record, "until": int(seconds) * 1000 - 1}), "PX", life.idle)
    assert await sessions.find(token) is None
    assert int(await bus.do("EXISTS", key)) == 0


async def test_an_unknown_name_costs_the_same_work(bus: Bus) -> None:
    """By the number of verifications, not by the clock."""
    verified: list[str] = []

    def verify(_password: str, stored: str) -> bool:
        verified.append(stored)
        return stored == HASHED

    await People(bus).write("anna", Role.VIEWER, HASHED, 1)
    desk = SignIn(bus, Sessions(bus), PasswordVerifier(verify))
    counts = []
    for name in ("anna", "unknown", "not a name!"):
        before = len(verified)
        await desk.with_password(name, "some password", "192.0.2.1")
        counts.append(len(verified) - before)
    assert counts == [1, 1, 1]
    assert verified[0] == HASHED
    assert verified[1] == verified[2]
    parts = [stored.split("$")[1:4] for stored in verified]
    assert parts == [["argon2id", "v=19", "m=19456,t=2,p=1"]] * 3  # the same parameters, so the same time


async def test_a_stranger_does_not_get_in_by_the_hash_that_stands_for_nobody(bus: Bus) -> None:
    desk = SignIn(bus, Sessions(bus), PasswordVerifier(lambda _password, _stored: True))
    assert isinstance(await desk.with_password("unknown", "x", "192.0.2.1"), Refused)


async def test_only_a_few_passwords_are_verified_at_once_and_few_may_wait(bus: Bus) -> None:
    running, most, go = 0, 0, threading.Event()
    lock = threading.Lock()

    def verify(_password: str, _stored: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(60)
        with lock:
            running -= 1
        return False

    desk = SignIn(bus, Sessions(bus), PasswordVerifier(verify))
    tasks = [
        asyncio.create_task(desk.with_password(f"p{number}", "x", f"192.0.2.{number}"))
        for number in range(MOST_WAITING + 5)
    ]
    async with asyncio.timeout(60):
        while sum(task.done() for task in tasks) < 5:  # noqa: ASYNC110  # those who are sent away
            await asyncio.sleep(0.01)
    go.set()
    results = await asyncio.gather(*tasks)
    assert sorted(each.status for each in results if isinstance(each, Refused)) == [403] * MOST_WAITING + [503] * 5
    assert most <= AT_ONCE
