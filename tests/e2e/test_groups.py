"""Users in groups: the executors of each show the exchange their own address, for requests and streams alike.

The paper exchange sees where a request comes from, refuses a key outside its list of addresses, and counts limits per address.
Group `eu-1` connects from 127.0.0.2. Group `us` goes through a proxy, which connects from 127.0.0.3, to an exchange that speaks
TLS: what decrypts it passes the bytes on from each client's own address.
"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ops.access.redis_tls import write_certificate
from services.paper_exchange.kraken.streams.limits import CONNECTS
from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.ports import free_port
from tests.support.processes import Service, wait_for
from tests.support.relay import ConnectProxy, TlsFront
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(280)

EU, US = "127.0.0.2", "127.0.0.3"
UNSERVED = "group asia: no executor serves it, so its users are not copied and no exit is sent (dave)"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice", "bob", "carol", "dave"]) as stack:
        (stack.config / "groups").mkdir()
        for group, users in {"eu-1": ["bob"], "us": ["carol"], "asia": ["dave"]}.items():
            (stack.config / "groups" / f"{group}.toml").write_text("[sizing]\nmultiplier = 0.5\n")
            for user in users:
                stack.write_user(user, f'group = "{group}"')
        stack.price("BTC/USD", "60000")
        open_account(stack, "alice")
        open_account(stack, "bob", EU)
        open_account(stack, "carol", US)
        yield stack


def open_account(stack: Stack, user: str, *addresses: str) -> None:
    """Open an account whose key works from these addresses alone; from all if none is named."""
    key, secret = f"PAPER{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode()
    body = {"user": user, "venue": "kraken", "api_key": key, "api_secret": secret, "balances": {"USD": "5000"}}
    stack.post("/paper/accounts", {**body, "ip_allowlist": addresses})
    stack.keys[user] = (key, secret)


def from_where(stack: Stack, user: str) -> set[str]:
    """Return the addresses from which a user's key has been used, by requests and by the streams that are open now."""
    rows: list[dict[str, Any]] = stack.get(f"/paper/requests?api_key={stack.keys[user][0]}")
    return {str(row["address"]) for row in rows} | stream_addresses(stack, user)


def stream_addresses(stack: Stack, user: str) -> set[str]:
    return {str(each["address"]) for each in stack.get(f"/paper/streams?user={user}")["open"]}


def executor(stack: Stack, group: str, **more: str) -> Service:
    return stack.start("executor", "services.executor", EXECUTOR_GROUPS=group, EXECUTOR_CAPACITY="9", **more)


def owner(stack: Stack, user: str) -> str:
    return str(stack.client.get(keys.lease(user)) or "")


def test_each_group_shows_its_own_address_and_one_without_executor_is_named(stack: Stack, tmp_path: Path) -> None:
    write_certificate(tmp_path / "tls", "localhost", "0", [])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls/redis.crt", tmp_path / "tls/redis.key")
    with TlsFront(stack.paper_port, context, sees_clients=True) as front, ConnectProxy(US) as proxy:
        eu = executor(stack, "eu-1", VENUE_BIND=EU)
        executor(
            stack,
            "us",
            VENUE_PROXY=f"http://name:pass-word@127.0.0.1:{proxy.port}",
            KRAKEN_URL=f"https://localhost:{front.port}",
            SSL_CERT_FILE=str(tmp_path / "tls/ca.crt"),
        )
        stack.executor(capacity=9)
        stack.engine()
        port = free_port()
        stack.start("api", "services.api", API_PORT=str(port), API_SIGN_IN="off")
        stack.wait_ready("alice", "bob", "carol")
        for user, address in (("alice", "127.0.0.1"), ("bob", EU), ("carol", US)):
            wait_for(
                lambda user=user, address=address: stream_addresses(stack, user) == {address},  # type: ignore[misc]
                60,
                f"the stream of {user} is from {address}",
            )
        stack.signal(size="0.02")
        sizes = {user: stack.wait_reports(user, 1)[0]["filled_size"] for user in ("alice", "bob", "carol")}
        assert sizes == {"alice": "0.01", "bob": "0.005", "carol": "0.005"}
        assert {user: from_where(stack, user) for user in sizes} == {"alice": {"127.0.0.1"}, "bob": {EU}, "carol": {US}}
        assert {head.split(" ")[1] for head in proxy.heads} == {f"localhost:{front.port}"}

        _find_unserved(stack, port)
        _hand_over(stack, eu)
        for service in stack.services:
            assert "pass-word" not in service.log()


def _find_unserved(stack: Stack, port: int) -> None:
    """Dave's group has no executor: `status` and the page say so."""
    shown = run_ops(stack, "status")
    assert UNSERVED in shown.out, shown
    assert "dave: no executor serves this user (group asia)" in shown.out
    view = run_ops(stack, "status", "--json").json
    assert [each["group"] for each in view["users"]] == ["", "eu-1", "us", "asia"]
    wait_for(lambda: UNSERVED in _page(port), 60, "the page names the group")
    assert any(UNSERVED in note for note in json.loads(_page(port, "/status"))["readiness"]["notes"])


def _hand_over(stack: Stack, eu: Service) -> None:
    """Alice goes over to a group: its executor takes her, and her key is used from its address alone."""
    stack.write_user("alice", 'group = "eu-1"')
    wait_for(lambda: f"-{eu.pid}-" in owner(stack, "alice"), 60, "the group's executor serves alice")
    stack.wait_ready("alice")
    rows = len(stack.get(f"/paper/requests?api_key={stack.keys['alice'][0]}"))
    stack.signal(kind="exit", size="0.02", fraction="1")
    assert stack.wait_reports("alice", 2)[1]["outcome"] == "filled"
    later: list[dict[str, Any]] = stack.get(f"/paper/requests?api_key={stack.keys['alice'][0]}")[rows:]
    assert {str(row["address"]) for row in later} == {EU}
    assert stack.invalid_nonces() == []


def _page(port: int, path: str = "/") -> str:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request("GET", path)
        return link.getresponse().read().decode()
    finally:
        link.close()


def test_a_key_is_refused_from_another_address_than_its_own(stack: Stack) -> None:
    """What the group is for: without its address bob's account is parked, and nothing is traded."""
    executor(stack, "eu-1")
    account = keys.account("bob", "kraken")
    wait_for(lambda: stack.client.hget(account, "state") == "parked", 60, "bob is parked")
    assert "Invalid key" in str(stack.client.hget(account, "reason"))
    assert stack.venue_orders("bob") == []


def test_an_address_of_another_machine_stops_the_start(stack: Stack) -> None:
    process = executor(stack, "eu-1", VENUE_BIND="192.0.2.1")
    assert process.wait(60) != 0
    assert "VENUE_BIND is 192.0.2.1, from which this machine cannot connect" in process.log()


def _handshake(port: int, address: str) -> str:
    """Ask for a public stream from an address; return the status line."""
    with socket.create_connection(("127.0.0.1", port), 30, source_address=(address, 0)) as link:
        link.sendall(
            b"GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        return link.makefile("rb").readline().decode().strip()


def test_the_exchange_limits_each_address_for_itself(stack: Stack) -> None:
    from_eu = [_handshake(stack.paper_port, EU) for _ in range(CONNECTS + 1)]
    assert {line.split(" ")[1] for line in from_eu[:CONNECTS]} == {"101"}
    assert from_eu[-1].split(" ")[1] == "429"
    others = [f"127.0.0.{number}" for number in range(3, 10)]
    assert {_handshake(stack.paper_port, each).split(" ")[1] for each in others} == {"101"}
