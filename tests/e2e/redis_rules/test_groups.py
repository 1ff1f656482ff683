"""The Redis users of groups: the executors of one neither read nor write what is of users outside it, and need no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from shared.config.users.text import write_settings
from shared.contracts import keys
from tests.e2e.test_redis_users import GuardedStack
from tests.support.examples import a_policy
from tests.support.ops_command import run_ops
from tests.support.processes import wait_for

pytestmark = pytest.mark.timeout(280)

BOBS = "groups/eu-1"
GROUPS = {"eu-1": ["bob"]}


def forbidden(client: redis.Redis, *command: str | int) -> None:
    with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission"):
        client.execute_command(*command)  # type: ignore[no-untyped-call]


def test_an_executor_of_a_group_reads_no_other_user_and_writes_nothing_of_theirs(tmp_path: Path) -> None:
    with GuardedStack(tmp_path, ["alice"], groups=GROUPS) as stack:
        for user in ("alice", "bob"):
            stack.client.xadd(keys.orders(user), {"v": "1"})
            stack.client.set(keys.last_settings(user), "{}")
            stack.client.hset(keys.positions(user, "kraken"), "BTC/USD", "1")
            stack.client.xgroup_create(keys.orders(user), keys.EXECUTOR, "0")
        client = redis.Redis.from_url(stack.url_of(BOBS), decode_responses=True)
        stream, lua = keys.orders("alice"), json.dumps(keys.orders("alice"))
        for command in (
            ("XRANGE", stream, "-", "+"),
            ("XREAD", "STREAMS", stream, "0"),
            ("XREADGROUP", "GROUP", keys.EXECUTOR, keys.EXECUTOR, "STREAMS", stream, ">"),
            ("XREADGROUP", "GROUP", keys.EXECUTOR, keys.EXECUTOR, "STREAMS", keys.orders("bob"), stream, ">", ">"),
            ("XACK", stream, keys.EXECUTOR, "1-0"),
            ("GET", keys.last_settings("alice")),
            ("MGET", keys.last_settings("bob"), keys.last_settings("alice")),
            ("HGETALL", keys.positions("alice", "kraken")),
            ("HGETALL", keys.account("alice", "kraken")),
            ("HGETALL", keys.order("alice", "1")),
            ("XRANGE", keys.reports("alice"), "-", "+"),
            ("XRANGE", keys.dead(stream), "-", "+"),
            ("GET", keys.nonce("alice", "0" * 16)),
            ("EVAL", f"return redis.call('XRANGE', {lua}, '-', '+')", 0),
            ("EVAL", "return redis.call('XRANGE', KEYS[1], '-', '+')", 1, stream),
            ("INCRBY", keys.nonce("alice", "0" * 16), 1),
            ("SET", keys.lease("alice"), "me"),
            ("HSET", keys.positions("alice", "kraken"), "BTC/USD", "2"),
            ("XADD", keys.orders("bob"), "*", "v", "1"),  # nor orders of its own users
            ("XADD", keys.SIGNALS, "*", "v", "1"),
            ("HSET", keys.CONTROL, "mode", "run"),
            ("FLUSHALL",),
            ("FLUSHDB",),
            ("SCRIPT", "FLUSH"),
            ("KEYS", "*"),
            ("CONFIG", "SET", "appendonly", "no"),
            ("ACL", "SETUSER", "executor-eu-1", "allkeys"),
        ):
            forbidden(client, *command)
        assert client.xlen(keys.orders("bob")) == 1
        assert client.hgetall(keys.positions("bob", "kraken")) == {"BTC/USD": "1"}
        assert client.get(keys.lease("alice")) is None  # who serves whom may be known
        client.close()


@pytest.fixture
def config_of(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "groups"
    folder.mkdir(parents=True)
    (folder / "eu-1.toml").write_text("[sizing]\nmultiplier = 0.5\n")
    return folder.parent


def test_each_executor_serves_its_own_under_its_own_rules(tmp_path: Path, config_of: Path) -> None:
    with GuardedStack(tmp_path, ["alice", "bob"], groups=GROUPS) as stack:
        stack.write_user("bob", 'group = "eu-1"')
        gone = {user: write_settings(a_policy(user, group="us")) for user in ("zoe", "yves")}
        for user, text in gone.items():  # held for users without a file, of a group whose keys are hidden from both
            stack.client.set(keys.last_settings(user), text)
            stack.client.hset(keys.positions(user, "kraken"), "BTC/USD", "1")
        stack.price("BTC/USD", "60000")
        for user, amount in (("alice", 5_000), ("bob", 5_000)):
            stack.open_account(user, USD=amount)
        executor = stack.start("executor", "services.executor", AS=BOBS, EXECUTOR_GROUPS="eu-1", EXECUTOR_CAPACITY="9")
        others = stack.executor(capacity=9)
        stack.engine()
        stack.wait_ready("alice", "bob")
        stack.signal(size="0.02")
        stack.signal(kind="exit", size="0.02", fraction="1")
        for user in ("alice", "bob"):
            assert [each["outcome"] for each in stack.wait_reports(user, 2)] == ["filled", "filled"], user
        assert stack.reports("bob")[0]["filled_size"] == "0.005"  # half, as the group's file says
        assert stack.reports("alice")[0]["filled_size"] == "0.01"
        owners = {user: stack.client.get(keys.lease(user)) or "" for user in ("alice", "bob")}
        assert f"-{executor.pid}-" in owners["bob"]
        assert f"-{others.pid}-" in owners["alice"]
        assert "BUSY" not in executor.log()
        hidden = {row for row in stack.refusals() if "executor-eu-1" in row}
        assert all("{zoe}" in row or "{yves}" in row for row in hidden), hidden
        assert stack.refusals() == [row for row in stack.refusals() if row in hidden]

        stack.write_user("dave", 'group = "eu-1"')
        stack.open_account("dave", USD=5_000)
        executor.stop()
        again = stack.start("executor", "services.executor", AS=BOBS, EXECUTOR_GROUPS="eu-1", EXECUTOR_CAPACITY="9")
        wait_for(lambda: "Redis refuses a key of this user" in again.log(), 60, "dave is refused by Redis alone")
        stack.wait_ready("bob")
        stack.acting = "ops"
        ran = run_ops(stack, "acl", "--apply")
        assert ran.code == 0, ran
        assert "executor-eu-1" in ran.out
        stack.wait_ready("dave")
        stack.signal(size="0.02")
        for user, count in (("alice", 3), ("bob", 3), ("dave", 1)):
            assert stack.wait_reports(user, count)[-1]["outcome"] == "filled", user
        for service in stack.services:
            assert service.running or service is executor, service.name
