"""A flood of causes, a notifier that is killed, and webhooks that refuse or hang, with real processes."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from shared.contracts import keys
from tests.support.message_stack import MessageStack
from tests.support.ops_command import run_ops
from tests.support.ports import free_port
from tests.support.processes import wait_for
from tests.support.webhook import TOKEN

pytestmark = pytest.mark.timeout(500)

FLOOD: Final = 1_000
RULES: Final = 'collect_seconds = 25\nsummary_at = "off"\n'


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[MessageStack]:
    with MessageStack(tmp_path, ["alice"], rules=RULES) as made:
        made.open_account("alice", USD=5_000)
        made.executor(["alice"])
        made.wait_ready("alice")
        yield made


def test_a_thousand_dead_letters_are_one_message_and_one_summary(stack: MessageStack) -> None:
    """The notifier is killed in between: it sends neither a second time, and what came meanwhile is in the summary."""
    first = stack.notifier()
    stream = keys.orders("alice")
    began = time.monotonic()
    stack.client.xadd(stream, {"hello": "0"})
    stack.message("a dead letter (alice)", since=began)
    wait_for(lambda: not stack.client.hlen(keys.OUTBOX), 60, "that it arrived is recorded")
    first.kill()
    stack.client.delete(keys.lease(keys.NOTIFIER))
    for number in range(1, FLOOD):
        stack.client.xadd(stream, {"hello": str(number)})
    wait_for(lambda: stack.client.xlen(keys.dead(stream)) == FLOOD, 300, "all are dead letters")
    stack.notifier()
    stack.message(f"{FLOOD - 1} more dead letters", f"and {FLOOD - 9} more", since=began)
    time.sleep(30)  # longer than causes are collected: nothing may follow
    about_them = [each.title for each in stack.hook.taken if "dead letter" in each.title]
    assert about_them == ["PAPER Shoal: a dead letter (alice)", f"PAPER Shoal: {FLOOD - 1} more dead letters"]


@pytest.mark.parametrize(
    ("status", "words"), [(500, "it answered with the error 500"), (429, "too many messages (429)")]
)
def test_an_address_that_refuses_is_shown_everywhere_and_gets_the_message_later(
    stack: MessageStack, status: int, words: str
) -> None:
    notifier, api = stack.notifier(), _api(stack)
    stack.hook.status = status
    began = time.monotonic()
    assert run_ops(stack, "pause", "--reason", "a test").code == 0
    wait_for(lambda: stack.hook.received, 60, "an attempt")
    wait_for(lambda: words in run_ops(stack, "status").out, 60, "ops status shows it")
    assert words in run_ops(stack, "notify").out
    wait_for(lambda: words in _page(api, "/"), 60, "the page shows it")
    stack.hook.status = 200
    stack.message("kill switch set (everybody)", since=began)
    wait_for(lambda: words not in run_ops(stack, "status").out, 60, "the fault is cleared")
    assert [each.title for each in stack.hook.taken if "switch" in each.title] == [
        "PAPER Shoal: kill switch set (everybody)"
    ]
    for text in (notifier.log(), _page(api, "/"), _page(api, "/status"), run_ops(stack, "status", "--json").out):
        assert TOKEN not in text


def test_a_notifier_that_is_gone_is_missed_by_status_page_and_readiness(stack: MessageStack) -> None:
    api, gone = _api(stack), "no messages are sent"
    assert gone not in run_ops(stack, "status").out, "none was ever set up"
    notifier = stack.notifier()
    assert run_ops(stack, "notify", "--off").code == 2, "it runs"
    assert gone not in run_ops(stack, "status").out
    notifier.kill()
    wait_for(lambda: gone in run_ops(stack, "status").out, 60, "ops status says so")
    for path in ("/", "/readyz"):
        wait_for(lambda path=path: gone in _page(api, path), 60, f"{path} says so")  # type: ignore[misc]
    assert run_ops(stack, "notify", "--off").code == 0
    assert gone not in run_ops(stack, "status").out
    wait_for(lambda: gone not in _page(api, "/readyz"), 60, "it is to stay off")
    again = stack.notifier()
    assert gone not in run_ops(stack, "status").out
    again.kill()
    wait_for(lambda: gone in run_ops(stack, "status").out, 60, "one that starts again is expected again")


def test_a_redis_that_fills_up_is_a_message_before_it_is_full_and_another_when_it_is(stack: MessageStack) -> None:
    stack.notifier()
    used = int(stack.client.info("memory")["used_memory"])
    began = time.monotonic()
    stack.client.config_set("maxmemory", used * 100 // 90)
    stack.message("Redis is nearly full", "nothing is copied and no exit is sent", "REDIS_MAXMEMORY", since=began)
    assert "Redis holds" in run_ops(stack, "status").out
    stack.client.config_set("maxmemory", used // 2)
    stack.message("Redis is full and refuses writes", since=began)
    stack.client.config_set("maxmemory", 0)
    stack.message("resolved: Redis answers again", since=began)


def _api(stack: MessageStack) -> int:
    port = free_port()
    stack.start("api", "services.api", API_PORT=str(port), API_SIGN_IN="off")
    wait_for(lambda: _page(port, "/healthz"), 60, "the api answers")
    return port


def _page(port: int, path: str) -> str:
    """Return what the api answers, whatever its status; empty while it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())
    except OSError:
        return ""
