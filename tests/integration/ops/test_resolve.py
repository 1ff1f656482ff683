"""`ops resolve` and `ops unknown` against a real executor whose venue does not say what became of an order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ops.operator import operator_name
from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.processes import wait_for
from tests.support.stack import Stack

NOBODY_ANSWERS = ("OpenOrders", "ClosedOrders", "QueryOrders", "TradesHistory", "QueryTrades")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice"], streams=False) as made:  # which would show what a lost answer hides
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
    rows = run_ops(stack, "unknown", "--json").json["unknown"]
    assert [(row["user"], row["order_id"], row["state"], row["symbol"]) for row in rows] == [
        ("alice", order, "unknown", "BTC/USD")
    ]
    assert order in run_ops(stack, "status").out

    refused = run_ops(stack, "resolve", order, "--filled", typed="n\n")
    assert (refused.code, stack.client.hget(keys.order("alice", order), "verdict")) == (1, "")
    assert "client_order_id" in refused.out

    told = run_ops(stack, "resolve", order, "--filled", "--price", "60000", "--fee", "1.2", "--yes")
    assert told.code == 0, told
    assert f"settled by hand by {operator_name()}" in told.out
    (report,) = stack.wait_reports("alice", 1)
    assert (report["outcome"], report["filled_size"], report["average_price"], report["fee"]) == (
        "filled", "0.005", "60000", "1.2",
    )  # fmt: skip
    assert f"settled by hand by {operator_name()}" in report["reason"]
    position = json.loads(str(stack.client.hget(keys.positions("alice", "kraken"), "BTC/USD")))
    assert (position["base_size"], position["cost"]) == ("0.005", "301.2")
    assert run_ops(stack, "unknown", "--json").json["unknown"] == []
    assert len(stack.venue_orders("alice")) == 1
    assert run_ops(stack, "audit", "--json", "--grace", "0").json["ok"]
    again = run_ops(stack, "resolve", order, "--none", "--yes")
    assert (again.code, "is filled" in again.err) == (2, True)


def test_an_entry_that_the_venue_never_had_ends_and_is_not_sent_again(stack: Stack) -> None:
    order = left_unknown(stack, "drop_before_process")
    told = run_ops(stack, "resolve", order, "--none", "--yes", "--json").json
    assert (told["taken"], told["state"], told["filled_size"]) == (True, "expired", "0")
    (report,) = stack.wait_reports("alice", 1)
    assert report["reason"] == f"nothing filled: settled by hand by {operator_name()}"
    assert stack.venue_orders("alice") == []
    assert not stack.client.exists(keys.positions("alice", "kraken"))
    assert run_ops(stack, "audit", "--json", "--grace", "0").json["ok"]


def test_a_verdict_is_refused_on_what_is_no_open_question(stack: Stack) -> None:
    stack.signal()
    order = stack.wait_reports("alice", 1)[0]["order_id"]
    for words, said in (
        ((order, "--filled"), "the order is filled"),
        ((order, "--filled", "--none"), "either --filled or --none"),
        ((order, "--none", "--size", "1"), "go with --filled only"),
        (("no-such-order", "--none"), "no order no-such-order"),
        ((order, "--none", "--user", "bob"), "--user bob: there is no such user"),
    ):
        ran = run_ops(stack, "resolve", *words, "--yes")
        assert (ran.code, len(ran.err.splitlines())) == (2, 1), ran
        assert said in ran.err
