"""`ops resolve` and `ops unknown` against a real executor whose venue does not say what became of an order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ops.person import operator_name
from shared.contracts import keys
from tests.support.processes import ROOT, wait_for
from tests.support.stack import Stack

NOBODY_ANSWERS = ("OpenOrders", "ClosedOrders", "QueryOrders", "TradesHistory", "QueryTrades")


def ops(stack: Stack, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.ops", *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **stack.environment()},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answer(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ran.stdout, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice"]) as made:
        made.open_account("alice", USD=5000)
        made.price("BTC/USD", "60000")
        made.executor()
        made.engine()
        made.wait_ready("alice")
        yield made


def left_unknown(stack: Stack, fault: str, **signal: str) -> str:
    """Have an order whose reply is spoilt, at a venue that answers no question; answers its id once its deadline is past."""
    for method in NOBODY_ANSWERS:
        stack.fault("http_503", user="alice", method=method)
    stack.fault(fault, user="alice", count=1, method="AddOrder")
    before = len(stack.orders("alice"))
    stack.signal(**signal)
    wait_for(lambda: len(stack.orders("alice")) > before, 20, "the order is decided")
    order = stack.orders("alice")[-1]["id"]
    wait_for(lambda: stack.client.hget(keys.order("alice", order), "state") == "unknown", 20, "its outcome is unknown")
    return order


def test_a_fill_that_the_operator_saw_is_booked_and_reported_as_his_word(stack: Stack) -> None:
    order = left_unknown(stack, "502_after_accept")
    rows = answer(ops(stack, "unknown", "--json"))["unknown"]
    assert [(row["user"], row["order_id"], row["state"], row["symbol"]) for row in rows] == [
        ("alice", order, "unknown", "BTC/USD")
    ]
    assert order in ops(stack, "status").stdout

    refused = ops(stack, "resolve", order, "--filled", typed="n\n")
    assert (refused.returncode, stack.client.hget(keys.order("alice", order), "verdict")) == (1, "")
    assert "client_order_id" in refused.stdout

    told = ops(stack, "resolve", order, "--filled", "--price", "60000", "--fee", "1.2", "--yes")
    assert told.returncode == 0, told
    assert f"settled by hand by {operator_name()}" in told.stdout
    (report,) = stack.wait_reports("alice", 1)
    assert (report["outcome"], report["filled_size"], report["average_price"], report["fee"]) == (
        "filled", "0.005", "60000", "1.2",
    )  # fmt: skip
    assert f"settled by hand by {operator_name()}" in report["reason"]
    position = json.loads(str(stack.client.hget(keys.positions("alice", "kraken"), "BTC/USD")))
    assert (position["base_size"], position["cost"]) == ("0.005", "301.2")
    assert answer(ops(stack, "unknown", "--json"))["unknown"] == []
    assert len(stack.venue_orders("alice")) == 1
    assert answer(ops(stack, "audit", "--json", "--grace", "0"))["ok"]
    again = ops(stack, "resolve", order, "--none", "--yes")
    assert (again.returncode, "is filled" in again.stderr) == (2, True)


def test_an_entry_that_the_venue_never_had_ends_and_is_not_sent_again(stack: Stack) -> None:
    order = left_unknown(stack, "drop_before_process")
    told = answer(ops(stack, "resolve", order, "--none", "--yes", "--json"))
    assert (told["taken"], told["state"], told["filled_size"]) == (True, "expired", "0")
    (report,) = stack.wait_reports("alice", 1)
    assert report["reason"] == f"nothing filled: settled by hand by {operator_name()}"
    assert stack.venue_orders("alice") == []
    assert not stack.client.exists(keys.positions("alice", "kraken"))
    assert answer(ops(stack, "audit", "--json", "--grace", "0"))["ok"]


def test_a_verdict_is_refused_on_what_is_no_open_question(stack: Stack) -> None:
    stack.signal()
    order = stack.wait_reports("alice", 1)[0]["order_id"]
    for words, said in (
        ((order, "--filled"), "the order is filled"),
        ((order, "--filled", "--none"), "either --filled or --none"),
        ((order, "--none", "--size", "1"), "go with --filled only"),
        (("no-such-order", "--none"), "no order no-such-order"),
        ((order, "--none", "--user", "bob"), "of bob"),
    ):
        ran = ops(stack, "resolve", *words, "--yes")
        assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1), ran
        assert said in ran.stderr
