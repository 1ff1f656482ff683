"""Every service under its own Redis user, with the rules that compose gives it: enough for all it does, and not for more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from services.api.access.sessions import Sessions
from services.api.access.sign_in.desk import Admitted, Refused, SignIn, create_first_operator
from services.api.access.sign_in.verifier import PasswordVerifier
from services.ops.access.redis_users import write_users
from shared.bus.connection import open_bus
from shared.bus.errors import BusForbidden
from shared.contracts import keys
from shared.contracts.access import ACCESS
from shared.sign_in.access_tokens import AccessToken, AccessTokens
from shared.sign_in.follower_links import FollowerLinks
from shared.sign_in.people import People
from shared.sign_in.role import Role
from tests.support.ops_command import run_ops
from tests.support.ports import free_port
from tests.support.processes import Service, wait_for
from tests.support.redis_server import RedisServer
from tests.support.signed_in import HASHED, PASSWORD
from tests.support.stack import Stack


class GuardedStack(Stack):
    """A stack whose services come with their own users; the test itself may do everything."""

    def __init__(self, folder: Path, users: list[str], **more: Any) -> None:
        super().__init__(folder, users, **more)
        acl = folder / "users"
        port = free_port()
        write_users(acl, f"127.0.0.1:{port}/0")
        rules = (acl / "acl" / "users.acl").read_text().splitlines()
        mine = [line for line in rules if not line.startswith("user default ")]
        (acl / "acl" / "test.acl").write_text("\n".join(["user default on nopass ~* &* +@all", *mine]) + "\n")
        self.redis = RedisServer(folder / "redis", port, {"aclfile": str(acl / "acl" / "test.acl")})
        self._acl = acl
        self.acting = "api"

    def url_of(self, service: str) -> str:
        """Return the REDIS_URL of a service."""
        return (self._acl / service / "url").read_text().strip()

    def environment(self) -> dict[str, str]:
        """Return what every service is told; as whom is said by `acting`."""
        return super().environment() | {"REDIS_URL": self.url_of(self.acting)}

    def start(self, name: str, module: str, *args: str, **more: str) -> Service:
        """Start a service as its own user."""
        self.acting = name if name in ACCESS else "api"
        try:
            return super().start(name, module, *args, **more)
        finally:
            self.acting = "api"

    def refusals(self) -> list[str]:
        """Return what Redis has refused so far."""
        log: list[dict[str, Any]] = self.client.execute_command("ACL", "LOG", "100")  # type: ignore[no-untyped-call]
        return [f"{row['username']}: {row['object']} ({row['reason']}, {row['context']})" for row in log]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[GuardedStack]:
    with GuardedStack(tmp_path, ["alice"], price_speed=240) as stack:
        (stack.config / "strategy.toml").write_text('strategy = "sma-cross"\n')  # it trades, and so uses all its rights
        stack.open_account("master", USD=10_000)
        stack.open_account("alice", USD=5_000)
        yield stack


def test_with_its_own_rules_every_service_can_do_all_that_it_does(stack: GuardedStack) -> None:
    """Case S13."""
    stack.start("api", "services.api", API_PORT=str(free_port()))
    stack.start("master-strategy", "services.master_strategy")
    stack.executor(["alice"])
    stack.engine()
    stack.wait_ready("alice")
    _trade(stack)
    run_ops(stack, "pause", "--reason", "a test")
    run_ops(stack, "resume")
    for command in (
        ["status"],
        ["streams"],
        ["drift"],
        ["unknown"],
        ["reload"],
        ["reconcile", "--user", "alice"],
        ["stopouts"],
        ["track", "alice"],
        ["control"],
        ["dead", "list"],
        ["passwd", "anna", "--role", "viewer", "--generate"],
        ["passwd", "--list"],
        ["passwd", "anna", "--remove"],
        ["link", "alice"],
        ["link", "alice", "--revoke"],
        ["token", "prometheus"],
        ["token"],
        ["token", "prometheus", "--revoke"],
        ["health", "executor"],
    ):
        ran = run_ops(stack, *command)
        assert "NOPERM" not in ran.out + ran.err, ran
    stack.client.xadd(keys.orders("alice"), {"hello": "world"})
    wait_for(lambda: stack.client.xlen(keys.dead(keys.orders("alice"))), 60, "the entry is a dead letter")
    (entry, _), *_ = stack.client.xrange(keys.dead(keys.orders("alice")))  # type: ignore[misc]
    assert entry
    stack.client.xadd(keys.SIGNALS, {"hello": "world"})
    wait_for(lambda: stack.client.xlen(keys.dead(keys.SIGNALS)), 60, "the signal is a dead letter")
    assert stack.refusals() == []
    for service in stack.services:
        assert service.running
        assert "NOPERM" not in service.log()


def _trade(stack: GuardedStack) -> None:
    """Wait for a whole trade of the master's, which is copied, or play one if its strategy has none."""
    stack.price("BTC/USD", "60000")
    stack.signal(size="0.001")
    stack.wait_reports("alice", 1)
    stack.signal(kind="exit", size="0.001", fraction="1")
    stack.wait_reports("alice", 2)
    wait_for(lambda: stack.venue_orders("master"), 90, "the master's strategy trades")
    wait_for(lambda: stack.client.xlen(keys.SIGNALS) > 2, 60, "the master's fill is a signal")


def test_nobody_writes_what_is_not_theirs(tmp_path: Path) -> None:
    """Case S13: whoever is in one container cannot send orders with it, nor as anybody else."""
    with GuardedStack(tmp_path, ["alice"]) as stack:
        stack.client.xadd(keys.orders("alice"), {"v": "1"})
        for service in ACCESS:
            client = redis.Redis.from_url(stack.url_of(service), decode_responses=True)
            _refused(client, "CONFIG", "SET", "appendfsync", "no")
            _refused(client, "FLUSHALL")
            _refused(client, "ACL", "LIST")
            _refused(client, "DEL", keys.orders("alice"))
            _refused(client, "RENAME", keys.orders("alice"), "other")
            _refused(client, "SET", keys.orders("alice"), "x")
            _refused(client, "GET", "somebody-elses")
            if service != "api":  # who can sign in is the api's alone, even to read
                _refused(client, "HGETALL", keys.PEOPLE)
                _refused(client, "HGET", keys.GENERATIONS, "person:operator")
                _refused(client, "HGETALL", keys.ACCESS_TOKENS)
                _refused(client, "GET", keys.session("0" * 64))
                _refused(client, "SET", keys.session("0" * 64), "{}")
                _refused(client, "EVAL", f"return redis.call('HGETALL', '{keys.PEOPLE}')", "0")
            if service != "copy-engine":
                _refused(client, "XADD", keys.orders("alice"), "*", "v", "1")
                _refused(client, "EVAL", f"return redis.call('XADD', '{keys.orders('alice')}', '*', 'v', '1')", "0")
            if service not in {"master-strategy", "api"}:
                _refused(client, "XADD", keys.SIGNALS, "*", "v", "1")
            if service != "api":
                _refused(client, "HSET", keys.CONTROL, "mode", "run")
            if service != "executor":
                _refused(client, "INCRBY", keys.nonce("alice", "0" * 16), "1")
            client.close()
        stranger = redis.Redis(port=stack.redis.port, username="api", password="executor")
        with pytest.raises(redis.exceptions.AuthenticationError):
            stranger.ping()
        stranger.close()
        assert stack.client.xlen(keys.orders("alice")) == 1


def _refused(client: redis.Redis, *command: str) -> None:
    with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission"):
        client.execute_command(*command)  # type: ignore[no-untyped-call]


def test_run_again_the_passwords_stay(tmp_path: Path) -> None:
    write_users(tmp_path, "redis:6379/0")
    first = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    write_users(tmp_path, "redis:6379/0")
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == first
    assert len({text for path, text in first.items() if path.name == "url"}) == len(ACCESS) + 1  # the operator's too
    acl = first[tmp_path / "acl" / "users.acl"]
    assert not any(text.partition("@")[0].rpartition(":")[2] in acl for text in first.values() if "@" in text[:80])


async def test_the_api_signs_people_in_under_its_own_redis_user(tmp_path: Path) -> None:
    """Each script and command of signing in, with the rights that compose gives it; orders stay out of its reach."""
    with GuardedStack(tmp_path, ["alice"]) as stack:
        async with open_bus(stack.url_of("api"), "test") as bus:
            sessions, links, tokens = Sessions(bus), FollowerLinks(bus), AccessTokens(bus)
            desk = SignIn(bus, sessions, PasswordVerifier())
            await create_first_operator(bus)
            await People(bus).write("anna", Role.OPERATOR, HASHED, 1)
            assert isinstance(await desk.with_password("anna", "wrong", "192.0.2.1"), Refused)
            signed_in = await desk.with_password("anna", PASSWORD, "192.0.2.1")
            assert isinstance(signed_in, Admitted)
            assert await sessions.find(signed_in.token) == signed_in.identity
            await desk.sign_out(signed_in.token)
            assert await sessions.find(signed_in.token) is None
            link = await links.create("alice")
            assert await desk.is_open_link(link)
            assert await desk.with_link(link, "192.0.2.1") is not None
            assert await desk.with_link(link, "192.0.2.1") is None
            token = await tokens.create(AccessToken("p", Role.VIEWER, "", 1))
            assert token is not None
            assert await tokens.find(token) is not None
            for command in (
                ("XADD", keys.orders("alice"), "*", "v", "1"),
                ("HSET", keys.account("alice", "x"), "v", "1"),
            ):
                with pytest.raises(BusForbidden):
                    await bus.do(*command)
        assert stack.refusals() != []
        assert {row.partition(":")[0] for row in stack.refusals()} == {"api"}
        assert not [row for row in stack.refusals() if "shoal-access" in row]
