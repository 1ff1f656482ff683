"""No password, token or link in a log line, a value of Redis or an error; the first password once, in one line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog
from fastapi import FastAPI

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.sign_in.access_tokens import AccessToken, AccessTokens
from shared.sign_in.follower_links import FollowerLinks
from shared.sign_in.people import People
from shared.sign_in.role import Role
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.signed_in import PASSWORD, Browser, running_site

_TYPED = "a password typed into the wrong field"


async def dump(bus: Bus) -> str:
    """Return every key of Redis with its value."""
    found = []
    for key in await bus.scan("*"):
        kind = str(await bus.do("TYPE", key))
        read = {"string": ("GET", key), "hash": ("HGETALL", key), "stream": ("XRANGE", key, "-", "+")}[kind]
        found.append(f"{key} {await bus.do(*read)}")
    return "\n".join(found)


def add_failure(app: FastAPI) -> None:
    """Add a route that fails, to see what a traceback holds."""

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("this route fails")


async def test_secrets_never_leave(
    bus: Bus, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running_site(bus, add_failure) as site:
        await site.person()
        anna, follower = site.browser(), site.browser()
        await anna.sign_in(password="a wrong password of anna")
        await anna.sign_in(name=_TYPED)
        csrf = await anna.csrf()
        await anna.sign_in(name=PASSWORD)
        await anna.sign_in()
        links = FollowerLinks(bus)
        used, unused = await links.create("alice"), await links.create("alice")
        await follower.post("/link", csrf=await follower.csrf(f"/link/{used}"), token=used)
        await follower.post("/link", csrf=await follower.session_csrf(), token=used)
        token = await AccessTokens(bus).create(AccessToken("p", Role.VIEWER, "", 1))
        assert token
        for path in ("/status", "/fails", f"/{token}", f"/link/{token}", f"/signals/{token}"):
            await follower.ask("GET", path, {"authorization": f"Bearer {token}"})
            await anna.get(path)
        sessions = [each.value for browser in (anna, follower) for each in browser.session.cookie_jar]
        stored = await dump(bus)
        output = capsys.readouterr()
        said = output.out + output.err + caplog.text
    assert "signed in" in said
    assert "this route fails" in said
    assert len(sessions) >= 2
    assert keys.PEOPLE in stored
    secrets = [PASSWORD, "a wrong password of anna", _TYPED, used, unused, token, *sessions]
    for secret in secrets:
        assert secret not in stored
        assert secret not in said
        assert csrf not in said
    body = "".join(anna.sent + follower.sent)
    assert PASSWORD not in body
    assert "argon2id" not in body + said


async def test_a_person_shows_no_hash(bus: Bus) -> None:
    await People(bus).write("anna", Role.VIEWER, "$argon2id$secret", 1)
    (person,) = await People(bus).all()
    assert "argon2id" not in repr(person)
    structlog.get_logger().info("a person", person=person)


@asynccontextmanager
async def api_process(redis: str, port: int, **more: str) -> AsyncIterator[list[dict[str, str]]]:
    """Run the API as a process, and collect what it logs until it serves; and after that until it ends."""
    environment = {"PATH": os.environ["PATH"], "REDIS_URL": redis, "API_PORT": str(port), "LOG_FORMAT": "json", **more}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines: list[dict[str, str]] = []
    try:
        async with asyncio.timeout(60):
            while not lines or lines[-1]["event"] != "API started":
                line = await process.stdout.readline()
                assert line, lines
                lines.append(json.loads(line))
        yield lines
        process.terminate()
        rest, _ = await process.communicate()
        lines.extend(map(json.loads, rest.splitlines()))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_the_first_start_prints_a_password_that_opens_the_page_and_no_other_start_does(
    bus: Bus, redis_server: RedisServer
) -> None:
    assert await bus.do("EXISTS", keys.PEOPLE) == 0
    port = free_port()
    async with api_process(redis_server.url, port) as lines:
        (shown,) = [line for line in lines if "password" in line]
        assert shown["name"] == "operator"
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=jar) as session:
            browser = Browser(session, f"http://127.0.0.1:{port}")
            assert await browser.status() == 401
            assert (await browser.sign_in(password=shown["password"])).status == 303
            assert await browser.status() == 200
    assert sum(shown["password"] in json.dumps(line) for line in lines) == 1
    assert shown["password"] not in await dump(bus)
    async with api_process(redis_server.url, port) as lines:
        pass
    assert not [line for line in lines if "password" in line]


async def test_two_first_starts_at_once_make_one_operator(bus: Bus) -> None:
    made = await asyncio.gather(*(People(bus).create_first(f"hash {number}", 1) for number in range(10)))
    assert sorted(made) == [False] * 9 + [True]
    (person,) = await People(bus).all()
    assert person.password == f"hash {made.index(True)}"


async def test_it_refuses_to_start_open_to_others(redis_server: RedisServer, bus: Bus) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.api",
        env={
            "PATH": os.environ["PATH"],
            "REDIS_URL": redis_server.url,
            "API_PORT": str(free_port()),
            "API_HOSTS": "shoal.example",
            "API_SIGN_IN": "off",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert err.decode().startswith("api: API_SIGN_IN: it is off, but API_HOSTS names it to others")
    assert err.count(b"\n") == 1
    assert await bus.scan("shoal:heartbeat:api:*") == []
    assert b"API started" not in out
