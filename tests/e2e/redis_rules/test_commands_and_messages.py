"""Commands, samples, sums, stages and messages under the Redis users that compose makes: enough, and not more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.contracts import keys
from shared.contracts.access import ACCESS
from tests.e2e.test_redis_users import GuardedStack
from tests.support.ops_command import CommandResult, run_ops
from tests.support.ports import free_port
from tests.support.processes import wait_for
from tests.support.webhook import Webhook, webhook_in_background

pytestmark = pytest.mark.timeout(280)

LADDER = '[stage]\nauto = true\nstart = "shadow"\ntrades = 1\nmax_tracking_bps = 900\n[limits]\ndaily_loss_pct = 50\n'
READ = (
    ["positions"],
    ["positions", "--user", "master", "--csv"],
    ["pnl"],
    ["pnl", "--check"],
    ["orders"],
    ["watch", "--count", "1"],
    ["statement", "--user", "alice"],
    ["stages"],
    ["log"],
    ["why"],
    ["why", "--user", "alice"],
    ["master"],
    ["resting"],
    ["notify"],
    ["notify", "--test"],
    ["user", "list"],
    ["doctor", "alice"],
    ["status"],
)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook_in_background() as state:
        yield state


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[GuardedStack]:
    with GuardedStack(tmp_path, ["alice"], user_settings=LADDER) as stack:
        stack.price("BTC/USD", "60000")
        (stack.config / "strategy.toml").write_text('strategy = "sma-cross"\n')  # it trades, and so uses all its rights
        stack.open_account("master", USD=10_000)
        stack.open_account("alice", USD=5_000)
        yield stack


def run_as(stack: GuardedStack, service: str, *words: str) -> CommandResult:
    """Run a command in the container of a service; none of it may be refused by Redis."""
    stack.acting = service
    try:
        ran = run_ops(stack, *words)
    finally:
        stack.acting = "api"
    assert "NOPERM" not in ran.out + ran.err, (words, ran)
    assert stack.refusals() == [], words
    return ran


def test_each_service_and_command_may_do_all_that_it_does(stack: GuardedStack, hook: Webhook) -> None:
    stack.start("api", "services.api", API_PORT=str(free_port()))
    stack.start("master-strategy", "services.master_strategy")
    executor = stack.executor(capacity=9)
    stack.engine()
    notifier = stack.start("notifier", "services.notifier", NOTIFY_URLS=hook.url)
    stack.wait_ready("alice")
    wait_for(lambda: stack.client.exists(keys.stage("alice")), 60, "the executor has begun to count")
    stack.signal(size="0.02")
    wait_for(lambda: stack.client.xlen(keys.stage_moves("alice")), 60, "a checked entry climbs")
    stack.signal(size="0.02")
    stack.wait_reports("alice", 2)
    for what in (keys.totals("alice", "kraken"), keys.equity("alice", "kraken", "minute")):
        wait_for(lambda what=what: stack.client.exists(what), 90, f"the executor writes {what}")  # type: ignore[misc]
    wait_for(lambda: stack.client.exists(keys.equity("master", "kraken", "minute")), 90, "so does the master")
    wait_for(lambda: any("a change of stage" in each for each in hook.titles), 60, "a message")
    assert stack.client.exists(keys.NOTIFY_EXPECTED, keys.NOTICES) == 2
    for words in READ:
        run_as(stack, "api", *words)
    assert any("test message" in each for each in hook.titles)
    assert notifier.stop() == 0
    _until_it_counts_as_ended(stack, "notifier")
    assert run_as(stack, "api", "notify", "--off").code == 0
    assert not stack.client.exists(keys.NOTIFY_EXPECTED)

    added = run_as(stack, "ops", "user", "add", "dave", "--venue", "kraken")
    assert added.code == 0, added
    assert run_as(stack, "ops", "user", "disable", "dave").code == 0
    assert run_as(stack, "ops", "user", "enable", "dave").code == 0
    executor.stop()
    engine = next(each for each in stack.services if each.name == "copy-engine")
    engine.stop()
    _until_it_counts_as_ended(stack, "executor")
    _until_it_counts_as_ended(stack, "copy-engine")
    renamed = run_as(stack, "ops", "user", "rename", "alice", "anne", "--yes")
    assert renamed.code == 0, renamed
    assert stack.client.exists(keys.totals("anne", "kraken"), keys.stage("anne")) == 2
    removed = run_as(stack, "ops", "user", "remove", "dave", "--yes", "--wait", "1")
    assert removed.code == 0, removed
    for service in stack.services:
        assert "NOPERM" not in service.log(), service.name


def _until_it_counts_as_ended(stack: GuardedStack, service: str) -> None:
    wait_for(lambda: not list(stack.client.scan_iter(keys.heartbeat(service, "*"))), 60, f"{service} has no heartbeat")


OWNED = {
    keys.NOTICES: "notifier",
    keys.OUTBOX: "notifier",
    keys.NOTIFY_EXPECTED: "notifier",
    keys.lease(keys.NOTIFIER): "executor notifier",
    keys.stage("alice"): "executor",
    keys.totals("alice", "kraken"): "executor",
    keys.totals("master", "kraken"): "executor master-strategy",
    keys.risk("alice", "kraken"): "executor",
    keys.last_settings("alice"): "executor",
    keys.PEOPLE: "api",
    keys.session("0" * 64): "api",
    keys.follower_link("0" * 64): "api",
    keys.confirmation("x"): "api",
    keys.NOTIFY_TEST: "api notifier",
    keys.control("alice"): "api",
}
"""Keys of this part, and the services that may write them; everything may be written by the operator's user alone."""
STREAMS = {
    keys.stage_moves("alice"): "executor",
    keys.equity("alice", "kraken", "minute"): "executor",
    keys.equity("master", "kraken", "minute"): "executor master-strategy",
    keys.stopouts("alice"): "executor",
    keys.CONTROL_LOG: "api",
}


def test_nobody_else_writes_what_messages_stages_and_sessions_rest_on(tmp_path: Path) -> None:
    with GuardedStack(tmp_path, ["alice"]) as stack:
        for service in ACCESS:
            client = redis.Redis.from_url(stack.url_of(service), decode_responses=True)
            for name, owners in OWNED.items():
                if service not in owners.split():
                    for command in (("HSET", name, "a", "b"), ("SET", name, "x"), ("DEL", name)):
                        if (service, *command[:2]) != ("api", "DEL", keys.NOTIFY_EXPECTED):  # `ops notify --off`
                            _refused(client, *command)
            for name, owners in STREAMS.items():
                if service not in owners.split():
                    _refused(client, "XADD", name, "*", "a", "b")
                    _refused(client, "EVAL", f"return redis.call('XADD', {json.dumps(name)}, '*', 'a', 'b')", "0")
            client.close()


def _refused(client: redis.Redis, *command: str) -> None:
    with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission"):
        client.execute_command(*command)  # type: ignore[no-untyped-call]
