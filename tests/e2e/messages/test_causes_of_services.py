"""What can go wrong with services, the master's account and a host's clock, made as it happens, is a message at a webhook."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import keys
from tests.support.host_clock import HostClock
from tests.support.message_stack import MessageStack
from tests.support.processes import Service, wait_for

pytestmark = pytest.mark.timeout(400)


@contextmanager
def _whole(folder: Path, **executor: str) -> Iterator[tuple[MessageStack, dict[str, Service]]]:
    """Run everything, the real master too, and a notifier that has seen it all."""
    with MessageStack(folder, ["alice"]) as stack:
        stack.price("BTC/USD", "60000")
        for account in ("master", "alice"):
            stack.open_account(account, USD=10_000)
        shutil.copy("config/strategy.toml", stack.config)
        services = {
            "master": stack.start("master-strategy", "services.master_strategy"),
            "executor": stack.start("executor", "services.executor", EXECUTOR_CAPACITY="9", **executor),
            "engine": stack.engine(),
        }
        stack.wait_ready("alice")
        wait_for(lambda: stack.client.hget(keys.account("master", "kraken"), "state") == "ready", 60, "the master")
        stack.notifier()
        yield stack, services


def test_services_that_die_and_come_back(tmp_path: Path) -> None:
    """A heartbeat lasts 15 s: a service is down when it has ended, and is not asked for before."""
    with _whole(tmp_path) as (stack, services):
        stack.until_services_are_missed()
        assert [each.title for each in stack.hook.received] == []
        killed = time.monotonic()
        services["engine"].kill()
        wait_for(lambda: not list(stack.client.scan_iter(keys.heartbeat("copy-engine", "*"))), 60, "its heartbeat ends")
        stack.message("not running (the copy engine)", "nothing is copied", "ops health copy-engine", since=killed)
        began = time.monotonic()
        stack.engine()
        stack.message("resolved: not running (the copy engine)", since=began)
        killed = time.monotonic()
        services["executor"].kill()
        wait_for(lambda: not list(stack.client.scan_iter(keys.heartbeat("executor", "*"))), 60, "its heartbeat ends")
        stack.message("not running (all executors)", "exits neither", since=killed)
        time.sleep(35)  # longer than a user may be without an executor
        began = time.monotonic()
        stack.executor(capacity=9)
        stack.message("resolved: not running (all executors)", since=began)
        assert not [each.title for each in stack.hook.taken if "alice" in each.title], "one message is enough"


def test_an_engine_that_lives_and_decides_nothing(tmp_path: Path) -> None:
    """It has its heartbeat and its lease, and cannot read: of all that shows a process, only its work is missing."""
    with _whole(tmp_path) as (stack, services):
        services["engine"].kill()
        stack.client.xadd(keys.SIGNALS, {"hello": "world"})
        alive: dict[Any, Any] = {"v": "1", "state": "processing signals", "phase": "open", "mode": "paper"}
        stack.client.hset(keys.heartbeat("copy-engine", "hangs"), mapping=alive)
        stack.client.set(keys.lease(keys.ENGINE), "hangs")
        began = time.monotonic()
        stack.message("no signal is copied (the copy engine)", "1 signal waits", since=began, seconds=180)


def test_a_master_that_runs_and_does_not_see_its_fills(tmp_path: Path) -> None:
    with _whole(tmp_path) as (stack, _):
        stack.fault("stream_cut", user="master")
        stack.fault("http_503", user="master")
        began = time.monotonic()
        stack.message("a private stream is down", "fills are polled", since=began)
        stack.message("the master's fills are not seen (kraken)", "were last seen", since=began, seconds=180)
        stack.clear_faults()
        began = time.monotonic()
        stack.message("resolved: the master's fills are not seen (kraken)", since=began)


def test_a_host_whose_clock_is_wrong(tmp_path: Path) -> None:
    with HostClock(tmp_path / "host") as clock, _whole(tmp_path, **clock.environment()) as (stack, _):
        clock.step(7)
        began = time.monotonic()
        found = stack.message("a clock is wrong (kraken)", "ahead of kraken's", "no entry is sent", since=began)
        assert "chrony" in found.body
        clock.step(0)
        stack.message("resolved: a clock is wrong (kraken)", since=began)


def test_a_key_that_two_users_have(tmp_path: Path) -> None:
    with _whole(tmp_path) as (stack, _):
        stack.keys["bob"] = stack.keys["alice"]
        stack.write_user("bob")
        began = time.monotonic()
        stack.start("executor", "services.executor", EXECUTOR_USERS="bob")
        stack.message("account parked (bob at kraken)", "hold the same key", since=began)


def test_an_equity_of_the_master_that_is_not_known(tmp_path: Path) -> None:
    with _whole(tmp_path) as (stack, _):
        began = time.monotonic()
        stack.post("/paper/deposit", {"user": "master", "venue": "kraken", "asset": "WEIRD", "amount": "5"})
        stack.message("WEIRD", since=began)


def test_records_that_redis_has_lost(tmp_path: Path) -> None:
    with _whole(tmp_path) as (stack, services):
        stack.signal(size="0.01")
        stack.wait_reports("alice", 1)
        services["executor"].kill()
        stack.client.flushall()
        began = time.monotonic()
        stack.executor(capacity=9)
        stack.message("records lost (alice)", "ops rebuild", since=began)
        time.sleep(2)
        assert not [each for each in stack.hook.taken if "parked (alice" in each.title], "one message is enough"
