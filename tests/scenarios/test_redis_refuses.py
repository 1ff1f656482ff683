"""Redis refuses for a while, or is demoted while its connections stay: an outage like others. Nobody stays unread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from shared.contracts import keys
from tests.support.forwarder import Forwarder
from tests.support.outcomes import assert_books_match, wait_outcomes
from tests.support.ports import free_port
from tests.support.processes import wait_for
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

USERS: Final = ["alice", "bob", "carol"]
LATE: Final = '[guards]\nmax_signal_age = "5m"\n'
_ASIDE: Final = "aside"


@contextmanager
def running(folder: Path, made: Stack | None = None) -> Iterator[Stack]:
    """Run a whole system with an engine and its standby, one executor for all users, the api and a master."""
    with made or Stack(folder, USERS, user_settings=LATE) as stack:
        for user in USERS:
            stack.open_account(user, USD=100_000)
        stack.open_account("master", USD=10_000)
        stack.price("BTC/USD", "60000")
        stack.executor(capacity=len(USERS))
        stack.engine()
        stack.engine()
        stack.start("api", "services.api", API_PORT=str(free_port()))
        stack.start("master-strategy", "services.master_strategy")
        stack.wait_ready(*USERS)
        wait_for(
            lambda: stack.client.hget(keys.account("master", "kraken"), "state") == "ready", 60, "the master is ready"
        )
        yield stack


def _all_went_on(stack: Stack) -> None:
    """Every process lives, none has ended by a surprise, and nothing that Redis had is put aside."""
    for service in stack.services:
        assert service.running, f"{service.name} has ended: {service.log()[-3000:]}"
        assert "Traceback" not in service.log(), service.log()[-6000:]
        assert "unexpected failure" not in service.log()


def _forbid(stack: Stack) -> Callable[[], object]:
    stack.client.execute_command("ACL", "SETUSER", "default", "-xreadgroup")  # type: ignore[no-untyped-call]
    time.sleep(5)
    return lambda: stack.client.execute_command("ACL", "SETUSER", "default", "+@all")  # type: ignore[no-untyped-call]


def _forbid_all_writing(stack: Stack) -> Callable[[], object]:
    rules = ("-evalsha", "-eval", "-xadd", "-hset", "-set")
    stack.client.execute_command("ACL", "SETUSER", "default", *rules)  # type: ignore[no-untyped-call]
    time.sleep(5)
    return lambda: stack.client.execute_command("ACL", "SETUSER", "default", "+@all")  # type: ignore[no-untyped-call]


def _be_busy(stack: Stack) -> Callable[[], object]:
    stack.client.config_set("busy-reply-threshold", 100)
    script = "local till = redis.call('TIME')[1] + 9; while tonumber(redis.call('TIME')[1]) < till do end"
    client = redis.Redis(port=stack.redis.port, socket_timeout=60)
    thread = threading.Thread(target=client.eval, args=(script, 0))
    thread.start()

    def over() -> None:
        thread.join(60)
        client.close()

    return over


def _be_a_replica(stack: Stack) -> Callable[[], object]:
    stack.client.execute_command("REPLICAOF", "127.0.0.1", free_port())  # type: ignore[no-untyped-call]
    time.sleep(5)
    return lambda: stack.client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]


def _be_full(stack: Stack) -> Callable[[], object]:
    stack.client.config_set("maxmemory", "1")
    time.sleep(5)
    return lambda: stack.client.config_set("maxmemory", "0")


def _miss_replicas(stack: Stack) -> Callable[[], object]:
    stack.client.config_set("min-replicas-to-write", "1")
    time.sleep(5)
    return lambda: stack.client.config_set("min-replicas-to-write", "0")


_REFUSALS: Final[dict[str, Callable[[Stack], Callable[[], object]]]] = {
    "NOPERM": _forbid,
    "NOPERM for every write": _forbid_all_writing,
    "BUSY": _be_busy,
    "READONLY": _be_a_replica,
    "OOM": _be_full,
    "NOREPLICAS": _miss_replicas,
}


@pytest.mark.parametrize("how", _REFUSALS)
def test_redis_refuses_for_a_while(tmp_path: Path, how: str) -> None:
    """Case S4."""
    with running(tmp_path) as stack:
        before = stack.signal(size="0.001")
        wait_outcomes(stack, USERS, before)
        during = stack.signal(size="0.001")  # somewhere on its way when it begins
        _REFUSALS[how](stack)()
        after = stack.signal(size="0.001")
        out = stack.signal(kind="exit", size="0.003", fraction="1")
        found = wait_outcomes(stack, USERS, before, during, after, out)
        for user in USERS:
            assert {row["outcome"] for row in found[user].values()} == {"filled"}, found[user]
            assert_books_match(stack, user)
        assert stack.invalid_nonces() == []
        _all_went_on(stack)
        wait_for(lambda: not _faults(stack), 60, f"no fault stands any more: {_faults(stack)}")


def test_redis_refuses_one_users_stream_for_a_while(tmp_path: Path) -> None:
    """Case S4: a stream of another type. The user is shown, the others are served meanwhile, and everything is read after it."""
    with running(tmp_path) as stack:
        before = stack.signal(size="0.001")
        wait_outcomes(stack, USERS, before)
        stack.client.rename(keys.orders("bob"), _ASIDE)
        stack.client.set(keys.orders("bob"), "not a stream")
        others = [user for user in USERS if user != "bob"]
        during = [stack.signal(size="0.001") for _ in range(3)]
        wait_outcomes(stack, others, before, *during)
        wait_for(lambda: {"bob"} == {subject for _, subject in _faults(stack)}, 60, f"bob is shown: {_faults(stack)}")
        time.sleep(8)
        stack.client.delete(keys.orders("bob"))
        stack.client.rename(_ASIDE, keys.orders("bob"))
        out = stack.signal(kind="exit", size="0.004", fraction="1")
        found = wait_outcomes(stack, USERS, before, *during, out)
        for user in USERS:
            assert {row["outcome"] for row in found[user].values()} == {"filled"}, found[user]
            assert_books_match(stack, user)
        assert stack.client.keys("shoal:dead:*") == []
        wait_for(lambda: not _faults(stack), 60, "no fault stands any more")
        pending: Any = stack.client.xpending(keys.SIGNALS, keys.ENGINE)
        assert pending["pending"] == 0
        _all_went_on(stack)


@pytest.mark.parametrize(
    "key", [keys.positions("bob", "kraken"), keys.lease("bob"), keys.reports("bob"), keys.following("bob")]
)
def test_redis_refuses_one_users_record_for_a_while(tmp_path: Path, key: str) -> None:
    """Case S4: any key of a user's is something else; it stops nobody else, and the user goes on once it is right again."""
    with running(tmp_path) as stack:
        first = stack.signal(size="0.001")
        wait_outcomes(stack, USERS, first)
        others = [user for user in USERS if user != "bob"]
        stack.client.rename(key, _ASIDE)
        stack.client.execute_command("ZADD", key, "1", "x")  # type: ignore[no-untyped-call]
        during = stack.signal(size="0.001")
        wait_outcomes(stack, others, first, during)
        time.sleep(5)
        stack.client.delete(key)
        if key != keys.lease("bob"):
            stack.client.rename(_ASIDE, key)
        out = stack.signal(kind="exit", size="0.002", fraction="1")
        found = wait_outcomes(stack, USERS, first, during, out)
        assert found["bob"][out]["outcome"] == "filled"
        assert_books_match(stack, "bob")
        _all_went_on(stack)


def test_redis_refuses_the_signal_stream_for_a_while(tmp_path: Path) -> None:
    """Case S4: what everybody reads is something else; engines wait, and a standby does not end either."""
    with running(tmp_path) as stack:
        before = stack.signal(size="0.001")
        wait_outcomes(stack, USERS, before)
        stack.client.rename(keys.SIGNALS, _ASIDE)
        stack.client.set(keys.SIGNALS, "not a stream")
        wait_for(lambda: ("redis", keys.ENGINE) in _faults(stack), 60, f"it is shown: {_faults(stack)}")
        time.sleep(4)
        stack.client.delete(keys.SIGNALS)
        stack.client.rename(_ASIDE, keys.SIGNALS)
        out = stack.signal(kind="exit", size="0.001", fraction="1")
        found = wait_outcomes(stack, USERS, before, out)
        assert {row["outcome"] for user in USERS for row in found[user].values()} == {"filled"}
        _all_went_on(stack)


class FailedOver(Stack):
    """A stack whose Redis has a replica, and stands behind a name that leads to the one or to the other."""

    def __init__(self, folder: Path, forwarder: Forwarder, primary: RedisServer) -> None:
        super().__init__(folder, USERS, user_settings=LATE)
        self.redis = primary
        self._forwarder = forwarder

    def environment(self) -> dict[str, str]:
        """Return what every service is told: the name."""
        return super().environment() | {"REDIS_URL": f"redis://127.0.0.1:{self._forwarder.port}/0"}

    def follow(self, port: int) -> None:
        """Have the test itself look at another server."""
        self.client.close()
        self.client = redis.Redis(port=port, decode_responses=True)


def test_primary_demoted_with_connections_kept(tmp_path: Path) -> None:
    """Case S7: nobody is disconnected; whoever writes learns that this is a replica now, and goes to where the name leads."""
    old, new = RedisServer(tmp_path / "old"), RedisServer(tmp_path / "new")
    new.start()
    try:
        with Forwarder(old.port) as name, running(tmp_path, made := FailedOver(tmp_path, name, old)) as stack:
            replica = redis.Redis(port=new.port, decode_responses=True)
            replica.execute_command("REPLICAOF", "127.0.0.1", old.port)  # type: ignore[no-untyped-call]
            before = stack.signal(size="0.001")
            wait_outcomes(stack, USERS, before)
            wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 60, "the replica follows")
            wait_for(lambda: _offset(replica) >= _offset(stack.client), 60, "the replica has everything")
            name.target = new.port
            replica.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
            stack.client.execute_command("REPLICAOF", "127.0.0.1", new.port)  # type: ignore[no-untyped-call]
            made.follow(new.port)
            replica.close()
            wait_for(
                lambda: len(stack.client.keys("shoal:heartbeat:*")) >= len(stack.services) - 1, 90, "all have come over"
            )
            after = stack.signal(size="0.001")
            out = stack.signal(kind="exit", size="0.002", fraction="1")
            found = wait_outcomes(stack, USERS, before, after, out)
            for user in USERS:
                assert {row["outcome"] for row in found[user].values()} == {"filled"}, found[user]
                assert_books_match(stack, user)
            assert stack.invalid_nonces() == []
            _all_went_on(stack)
    finally:
        new.stop()


def _offset(client: redis.Redis) -> int:
    info: Any = client.info("replication")
    return int(info.get("slave_repl_offset") or info["master_repl_offset"])


def _faults(stack: Stack) -> set[tuple[str, str]]:
    """Read which faults stand, by kind and subject, as every process tells them; those of Redis and its streams only."""
    found = set()
    for name in stack.client.keys(keys.HEARTBEATS):
        told = stack.client.hget(name, "faults") or "[]"
        for row in json.loads(str(told)):
            if row["kind"] in {"redis", "stream"}:
                found.add((row["kind"], row["subject"]))
    return found
