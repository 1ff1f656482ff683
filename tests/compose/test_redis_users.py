"""Every service has a Redis user of its own in the shipped compose file, without a question to the operator."""

from __future__ import annotations

import json
from typing import Final

import pytest

from shared.contracts.access import ACCESS
from tests.compose.redis_user import NO_RIGHT, container_of, program, send_from
from tests.compose.stack import Stack, wait_for

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

ORDER: Final = ("XADD", "shoal:orders:{bob}", "*", "v", "1")
OF_NO_SERVICE: Final = (
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("SHUTDOWN", "NOSAVE"),
    ("CONFIG", "SET", "appendfsync", "no"),
    ("ACL", "LIST"),
    ("KEYS", "*"),
    ("DEL", "shoal:orders:{bob}"),
    ("RENAME", "shoal:orders:{bob}", "other"),
    ("SET", "shoal:orders:{bob}", "x"),
)


def test_the_rules_refuse_nothing_of_what_services_do(stack: Stack) -> None:
    """The first test of the file: the others are refused on purpose."""
    assert stack.redis_cli("ACL", "LOG").strip() == ""


def test_each_service_is_connected_as_its_own_redis_user(stack: Stack) -> None:
    expected = {*ACCESS} - {"notifier"}  # compose starts none without an address for messages
    wait_for("a connection of each service", lambda: expected <= _connected(stack), 60)
    assert _connected(stack) <= {*expected, "default"}  # redis-cli


def test_what_redis_had_before_it_knew_users_is_still_there(stack: Stack) -> None:
    assert stack.redis_cli("GET", "kept-from-before").strip() == "1"


def test_redis_takes_nothing_from_whoever_has_no_password(stack: Stack) -> None:
    """Case S13: whoever was in any container could write orders."""
    for service in ("executor", "paper-exchange"):
        (said,) = send_from(stack, stack.containers(service)[0], ORDER, url="redis://redis:6379/0")
        assert said.startswith("refused: HELLO must be called with the client already authenticated"), (service, said)


@pytest.mark.parametrize("service", sorted(ACCESS))
def test_no_service_may_erase_or_configure_redis_and_only_the_engine_writes_orders(stack: Stack, service: str) -> None:
    commands = OF_NO_SERVICE if service == "copy-engine" else (*OF_NO_SERVICE, ORDER)
    if service == "notifier":
        code = program(*commands)
        printed = stack.compose("run", "--rm", "--no-deps", "-T", service, "python", "-c", code)
        answers = json.loads(printed.strip().splitlines()[-1])
    else:
        answers = send_from(stack, stack.containers(service)[0], *commands)

    allowed = [
        (command, said) for command, said in zip(commands, answers, strict=True) if not said.startswith(NO_RIGHT)
    ]
    assert allowed == []


def test_an_executors_container_can_write_no_orders_whomever_it_says_to_be(stack: Stack) -> None:
    """Case S13: its Redis user may not, and it has no other user's password."""
    bob = container_of(stack, "bob")
    before = len(stack.entries("shoal:orders:{bob}"))
    (as_itself,) = send_from(stack, bob, ORDER)
    (as_the_api,) = send_from(stack, bob, ORDER, replaced={"//executor:": "//api:"})

    assert as_itself.startswith(NO_RIGHT), as_itself
    assert as_the_api.startswith("refused: invalid username-password pair"), as_the_api
    mounted = stack.python(bob, "import pathlib; print(sorted(map(str, pathlib.Path('/run/redis').iterdir())))")
    assert mounted == "['/run/redis/url']"
    ids = [entry for entry, fields in stack.entries("shoal:orders:{bob}")[before:] if "signal_id" not in fields]
    assert ids == []


def _connected(stack: Stack) -> set[str]:
    lines = [line.split() for line in stack.redis_cli("CLIENT", "LIST").splitlines() if line]
    return {field.removeprefix("user=") for line in lines for field in line if field.startswith("user=")}
