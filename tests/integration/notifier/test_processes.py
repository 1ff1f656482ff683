"""The notifier as a process: without settings, with wrong ones, killed, doubled, under its own Redis user."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.ops.access.redis_users import write_users
from shared.bus.connection import Bus, open_bus
from shared.contracts import keys
from shared.domain.account import AccountState
from tests.integration.ops.command import ops
from tests.support.copies import Copies
from tests.support.ports import free_port
from tests.support.processes import Service
from tests.support.redis_server import RedisServer
from tests.support.webhook import TOKEN, Webhook, until, webhook

PARKED = "PAPER Shoal: account parked (alice at kraken)"
_TYPES = {"string": ("GET",), "hash": ("HGETALL",), "stream": ("XRANGE", "-", "+"), "zset": ("ZRANGE", "0", "-1")}


class Starter:
    """Starts notifiers with their settings, and ends them with the test."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.started: list[Service] = []
        shutil.copytree("config", folder / "config")

    def start(self, name: str = "notifier", **environment: str) -> Service:
        given = {"REDIS_URL": self.url, "SHOAL_CONFIG": str(self.folder / "config"), "PYTHONUNBUFFERED": "1"}
        service = Service(name, "services.notifier", given | environment, self.folder / f"{name}.log").start()
        self.started.append(service)
        return service


@pytest.fixture
async def starter(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Starter]:
    made = Starter(tmp_path, redis_server.url)
    yield made
    for service in made.started:
        await asyncio.to_thread(service.stop)


async def eventually(found: Callable[[], Any], what: str) -> None:
    """Wait for something that is read from Redis."""
    for _ in range(600):
        if await found():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within a minute: {what}")


async def owner(bus: Bus) -> str:
    return str(await bus.do("GET", keys.lease(keys.NOTIFIER)) or "")


async def test_without_an_address_it_says_so_and_ends(starter: Starter) -> None:
    service = starter.start()
    assert await asyncio.to_thread(service.wait, 60) == 0
    assert "no messages are sent: neither NOTIFY_URLS nor NOTIFY_URLS_FILE says where to" in service.log()


@pytest.mark.parametrize(
    "environment",
    [
        {"NOTIFY_URLS": f"jsn://127.0.0.1/{TOKEN}"},
        {"NOTIFY_URLS_FILE": f"json://{TOKEN}"},
        {"NOTIFY_URL": TOKEN},
        {"NOTIFY_URLS": f"json://a/{TOKEN}", "NOTIFY_URLS_FILE": "/x"},
    ],
)
async def test_wrong_settings_stop_the_start_with_the_reason(starter: Starter, environment: dict[str, str]) -> None:
    service = starter.start(**environment)
    assert await asyncio.to_thread(service.wait, 60) == 2
    lines = service.log().splitlines()
    assert lines[-1].startswith("notifier: ")
    assert TOKEN not in service.log()


async def test_killed_and_started_again_it_sends_nothing_twice_and_loses_nothing(bus: Bus, starter: Starter) -> None:
    copies = Copies(bus)
    async with webhook() as hook:
        first = starter.start("first", NOTIFY_URLS=hook.url)
        await copies.account("alice", AccountState.PARKED, reason="x")
        await until(lambda: hook.taken, "the first message")
        hook.status = 500
        await bus.do("HSET", keys.CONTROL, "mode", "halt", "reason", "a test", "by", "anna")
        await until(lambda: len(hook.received) > 1, "an attempt")
        await asyncio.to_thread(first.kill)
        hook.status = 200
        starter.start("second", NOTIFY_URLS=hook.url)
        await until(lambda: len(hook.taken) > 1, "what was left")
        await asyncio.sleep(3)
    assert [title for title in hook.titles if "not running" not in title] == [
        PARKED,
        "PAPER Shoal: kill switch set (everybody)",
    ]


async def test_of_two_notifiers_one_sends_and_the_other_takes_over(bus: Bus, starter: Starter) -> None:
    copies = Copies(bus)
    async with webhook() as hook:
        services = [starter.start(name, NOTIFY_URLS=hook.url) for name in ("one", "two")]
        await eventually(lambda: owner(bus), "one has the lease")
        await copies.account("alice", AccountState.PARKED, reason="x")
        await until(lambda: hook.taken, "the message")
        await eventually(lambda: _all_confirmed(bus), "that it arrived is recorded: else it would come a second time")
        leader = await owner(bus)
        active = next(each for each in services if f"-{each.pid}-" in leader)
        standby = next(each for each in services if each is not active)
        active.send(signal.SIGSTOP)  # it hangs, and wakes up as one that was replaced
        await eventually(lambda: _owned_by(bus, standby), "the other takes over")
        await copies.account("alice", AccountState.READY)
        active.send(signal.SIGCONT)
        await until(lambda: any("resolved: account" in title for title in hook.titles), "its end")
        await asyncio.sleep(3)
    about = [title for title in hook.titles if "alice" in title]
    assert about == [PARKED, "PAPER Shoal: resolved: account parked (alice at kraken)"]
    assert "standing by" in services[0].log() + services[1].log()


async def _all_confirmed(bus: Bus) -> bool:
    return not await bus.do("HLEN", keys.OUTBOX)


async def _owned_by(bus: Bus, service: Service) -> bool:
    return f"-{service.pid}-" in await owner(bus)


async def test_no_address_is_in_a_log_line_or_in_redis(bus: Bus, starter: Starter) -> None:
    async with webhook() as hook:
        down = f"json://somebody:{TOKEN}pw@127.0.0.1:{free_port()}/{TOKEN}?+X-Key={TOKEN}"
        service = starter.start(NOTIFY_URLS=f"{hook.url} {down}", LOG_FORMAT="json")
        await Copies(bus).account("alice", AccountState.PARKED, reason=f"see {down} and {hook.url}")
        await until(lambda: hook.taken, "a message")
        await eventually(lambda: bus.do("HLEN", keys.OUTBOX), "one that is not confirmed")
        result = await ops(starter.url, "notify", "--test", "--json")
        await asyncio.to_thread(service.stop)
        assert "a message could not be sent" in service.log()
        for text in (service.log(), await _everything(bus), *(each.body + each.title for each in hook.received)):
            assert TOKEN not in text
            assert "somebody" not in text
    rows = result.json["targets"]
    assert [(row["target"], row["ok"], row["reason"]) for row in rows] == [
        ("json #1", True, ""),
        ("json #2", False, "it cannot be reached"),
    ]
    assert result.code == 1


async def _everything(bus: Bus) -> str:
    """Return all that Redis holds but the account that names the address, which the test has written."""
    found = []
    for name in sorted(set(await bus.scan("*"))):
        if name != keys.account("alice", "kraken"):
            command, *rest = _TYPES[str(await bus.do("TYPE", name))]
            found.append(json.dumps([name, await bus.do(command, name, *rest)]))
    return "\n".join(found)


async def test_a_test_message_is_sent_by_the_notifier_and_answered_in_words(bus: Bus, starter: Starter) -> None:
    nothing = await ops(starter.url, "notify", "--test")
    assert nothing.code == 2
    assert "no notifier is running: it starts where NOTIFY_URLS" in nothing.err
    async with webhook() as hook:
        starter.start(NOTIFY_URLS=hook.url)
        await eventually(lambda: owner(bus), "it runs")
        sent = await ops(starter.url, "notify", "--test")
        assert (sent.code, "json #1" in sent.out, "sent" in sent.out) == (0, True, True), sent
        assert any(title == "PAPER Shoal: test message" for title in hook.titles)
        hook.status = 403
        failed = await ops(starter.url, "notify", "--test")
        assert failed.code == 1
        assert "it refuses the credentials in the address (403)" in failed.out
        health = await ops(starter.url, "health", "notifier")
        assert (health.code, health.out) == (0, "notifier: healthy\n")
        state = await ops(starter.url, "notify")
        assert "notifier: sends to 1 address" in state.out


@asynccontextmanager
async def _guarded(folder: Path) -> AsyncIterator[tuple[Bus, Callable[[str], str]]]:
    """A Redis with the users that compose makes; the test itself may do everything."""
    port = free_port()
    write_users(folder, f"127.0.0.1:{port}/0")
    rules = (folder / "acl" / "users.acl").read_text().splitlines()
    mine = [line for line in rules if not line.startswith("user default ")]
    (folder / "acl" / "test.acl").write_text("\n".join(["user default on nopass ~* &* +@all", *mine]) + "\n")
    server = RedisServer(folder / "redis", port, {"aclfile": str(folder / "acl" / "test.acl")})
    server.start()
    try:
        async with open_bus(server.url, "test") as bus:
            yield bus, lambda service: (folder / service / "url").read_text().strip()
    finally:
        server.stop()


async def test_its_own_redis_user_is_enough_for_all_that_it_does_and_for_no_more(
    starter: Starter, tmp_path: Path
) -> None:
    async with _guarded(tmp_path / "users") as (bus, url_of), webhook() as hook:
        await bus.do("ACL", "LOG", "RESET")
        service = starter.start(NOTIFY_URLS=hook.url, REDIS_URL=url_of("notifier"))
        await Copies(bus).account("alice", AccountState.PARKED, reason="x")
        await until(lambda: hook.taken, "a message")
        assert (await ops(url_of("api"), "notify", "--test")).code == 0
        await Copies(bus).account("alice", AccountState.READY)
        await until(lambda: any("resolved" in title for title in hook.titles), "its end")
        assert await asyncio.to_thread(service.stop) == 0
        assert await bus.do("ACL", "LOG") == []
        assert not await owner(bus), "it has released its lease"
        async with open_bus(url_of("notifier"), "test") as restricted:
            for command in (
                ("XADD", keys.orders("alice"), "*", "v", "1"),
                ("HSET", keys.CONTROL, "mode", "run"),
                ("SET", keys.lease("alice"), "x"),
                ("HSET", keys.account("alice", "kraken"), "state", "ready"),
            ):
                with pytest.raises(Exception, match=r"(?i)permission|NOPERM|forbid"):
                    await restricted.do(*command)


async def test_a_webhook_that_hangs_does_not_delay_the_end_of_the_process(bus: Bus, starter: Starter) -> None:
    async with webhook() as hook:
        hook.open.clear()
        service = starter.start(NOTIFY_URLS=f"{hook.url}?rto=600&cto=600")
        await Copies(bus).account("alice", AccountState.PARKED, reason="x")
        await until(lambda: hook.received, "it hangs")
        assert await asyncio.to_thread(service.stop) == 0  # fails after 15 s
        assert isinstance(hook, Webhook)


async def test_that_redis_is_gone_is_a_message_and_that_it_is_back_another(starter: Starter, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        async with webhook() as hook:
            starter.start(NOTIFY_URLS=hook.url, REDIS_URL=server.url)
            async with open_bus(server.url, "test") as bus:
                await eventually(lambda: owner(bus), "it leads")
            await asyncio.to_thread(server.kill)
            await until(lambda: hook.taken, "a message")
            await asyncio.to_thread(server.start)
            await until(lambda: len(hook.taken) > 1, "another")
        assert hook.titles[:2] == ["PAPER Shoal: Redis does not answer", "PAPER Shoal: resolved: Redis answers again"]
    finally:
        server.stop()
