"""Each thing that can go wrong for a user, made as it happens, is a message at a webhook: of real processes, in order.

The seconds from the cause to the message are in `seconds.txt` beside the logs, and judged nowhere: a busy machine is slow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from shared.contracts import keys
from tests.support.message_stack import MessageStack
from tests.support.ops_command import run_ops
from tests.support.processes import wait_for

pytestmark = pytest.mark.timeout(240)

LIMITS: Final = '[limits]\ndaily_loss_pct = 1\non_stop_out = "block_entries"\n[exits]\nstop_loss_pct = "off"\n'
LADDER: Final = '[stage]\nauto = true\nstart = "shadow"\nmax = 0.25\ntrades = 1\nmax_tracking_bps = 50\n'
USERS: Final = ("paul", "ursula", "stan", "dora", "stella")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MessageStack]:
    """Each test has a user of its own; accounts are polled, so that an order's end is found by questions alone."""
    folder: Path = tmp_path_factory.mktemp("causes")
    with MessageStack(folder, USERS, streams=False) as made:
        made.write_user("stan", LIMITS)
        made.write_user("stella", LADDER)
        made.price("BTC/USD", "60000")
        for user in USERS:
            made.open_account(user, USD=5_000)
        made.engine()
        made.executor(capacity=9)
        made.wait_ready(*USERS)
        made.notifier()
        yield made


def test_a_kill_switch_and_its_end(stack: MessageStack) -> None:
    began = time.monotonic()
    assert run_ops(stack, "pause", "--user", "dora", "--reason", "holiday").code == 0
    stack.message("kill switch set (dora)", "holiday", "ops resume --user dora", since=began)
    began = time.monotonic()
    assert run_ops(stack, "resume", "--user", "dora").code == 0
    stack.message("cleared (dora)", since=began)


def test_a_parked_account(stack: MessageStack) -> None:
    stack.fault("key_revoked_mid_run", user="paul")
    began = time.monotonic()
    stack.signal(size="0.001")
    stack.message("account parked (paul at kraken)", "ops doctor --user paul", since=began)


def test_a_stop_out(stack: MessageStack) -> None:
    known = len(stack.reports("stan"))
    stack.signal(size="0.04")
    assert stack.wait_reports("stan", known + 1)[-1]["outcome"] == "filled"
    began = time.monotonic()
    stack.price("BTC/USD", "50000")
    stack.message("stop-out (stan at kraken)", "no entries until", since=began)
    stack.price("BTC/USD", "60000")


def test_an_order_without_a_proven_end(stack: MessageStack) -> None:
    stack.fault("processed_then_reply_dropped", user="ursula", method="AddOrder", count=1)
    for method in ("OpenOrders", "ClosedOrders", "QueryOrders"):
        stack.fault("http_503", user="ursula", method=method)
    began = time.monotonic()
    stack.signal(size="0.001")
    stack.message("without a known outcome (ursula)", "ops unknown --user ursula", since=began)
    stack.clear_faults()
    stack.message("resolved: an order without a known outcome (ursula)", since=began)


def test_a_dead_letter(stack: MessageStack) -> None:
    began = time.monotonic()
    stack.client.xadd(keys.orders("dora"), {"hello": "world"})
    stack.message("a dead letter (dora)", "ops dead show", since=began)


def test_a_step_on_the_canary_ladder(stack: MessageStack) -> None:
    wait_for(lambda: stack.client.exists(keys.stage("stella")), 60, "the executor has begun to count")
    began = time.monotonic()
    stack.signal(size="0.02")
    stack.message("a change of stage (stella)", "from stage shadow to 0.05", since=began)
