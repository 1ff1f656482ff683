"""`ops drift --repair` and `ops flatten` against a real executor: what is closed, and that entries go on afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.processes import wait_for
from tests.support.stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Alice and bob hold bitcoin from copying, and alice ether."""
    with Stack(tmp_path, ["alice", "bob"]) as made:
        for user in made.users:
            made.open_account(user, USD=5000)
        made.price("BTC/USD", "60000")
        made.price("ETH/USD", "3000")
        made.executor(capacity=2)
        made.engine()
        made.wait_ready("alice", "bob")
        made.signal()
        made.wait_reports("alice", 1)
        made.wait_reports("bob", 1)
        yield made


def master_holds_nothing(stack: Stack) -> None:
    now = str(int(time.time() * 1000))
    fields = {"v": "1", "state": "ready", "currency": "USD", "equity": "10000", "cash": "10000", "as_of": now}
    stack.client.hset(keys.account("master", "kraken"), mapping=fields)  # type: ignore[arg-type]  # redis-py wants its own union


def sold(stack: Stack, user: str) -> list[str]:
    return [order["symbol"] for order in stack.venue_orders(user) if order["side"] == "sell"]


def test_a_stray_is_closed_on_request_and_the_next_entry_is_copied(stack: Stack) -> None:
    master_holds_nothing(stack)
    told = run_ops(stack, "drift", "--json")
    assert (told.code, told.json["strays"], sold(stack, "alice")) == (1, 2, [])
    lately = run_ops(stack, "drift", "--repair", "--yes", "--json").json["repaired"]
    assert {row["reason"] for row in lately} == {"the master has just traded BTC"}
    stack.client.xtrim(keys.SIGNALS, maxlen=0)  # as if the signal were old: what the master has just traded is let be
    mended = run_ops(stack, "drift", "--repair", "--yes", "--json")
    assert mended.code == 0, mended.out
    assert {(row["user"], row["outcome"]) for row in mended.json["repaired"]} == {
        ("alice", "closed"),
        ("bob", "closed"),
    }
    assert sold(stack, "alice") == ["BTC/USD"]
    modes = [row["mode"] for row in run_ops(stack, "control", "--json").json["switches"]]
    assert set(modes) == {"run"}


def test_flatten_of_one_user_sells_his_and_leaves_the_others(stack: Stack) -> None:
    told = run_ops(stack, "flatten", "--user", "alice", "--reason", "asked to", "--yes", "--json")
    assert (told.code, [row["outcome"] for row in told.json["positions"]]) == (0, ["closed"])
    assert "flatten" in told.json["positions"][0]["reason"] or "filled" in told.json["positions"][0]["reason"]
    assert (sold(stack, "alice"), sold(stack, "bob")) == (["BTC/USD"], [])
    stack.signal("ETH/USD", size="0.1", price="3000")
    stack.wait_reports("bob", 2)
    wait_for(lambda: any("flatten" in each["reason"] for each in stack.orders("alice")), 10, "alice's entry is barred")
    assert run_ops(stack, "resume", "--user", "alice").code == 0
    stack.signal("ETH/USD", size="0.1", price="3000")
    wait_for(
        lambda: len([o for o in stack.venue_orders("alice") if o["side"] == "buy"]) == 2, 20, "alice is copied again"
    )
