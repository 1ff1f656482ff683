"""`ops dead retry` and `drop` on a running system: the audit is clean afterwards, and nothing trades twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.processes import wait_for
from tests.support.stack import Stack

ORDERS = keys.orders("alice")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice"], user_settings="[guards]\nmax_signal_age = 300\n") as made:
        made.open_account("alice", USD=5000)
        made.price("BTC/USD", "60000")
        yield made


def dead_letter(stack: Stack, stream: str, group: str) -> str:
    """Put the next entry of a stream aside, as an older version would that cannot read it; answers its id."""
    answer: Any = stack.client.xreadgroup(group, group, {stream: ">"}, count=1, block=20_000)
    ((_, [(entry_id, fields)]),) = answer
    letter = {"entry_id": entry_id, "group": group, "reason": "unknown version"}
    stack.client.xadd(keys.dead(stream), letter | {f"field:{name}": value for name, value in fields.items()})
    stack.client.xack(stream, group, entry_id)
    return str(entry_id)


def test_a_dead_order_that_is_put_back_keeps_its_id_and_is_carried_out_once(stack: Stack) -> None:
    first, _ = stack.executor(), stack.engine()
    stack.wait_ready("alice")
    assert first.stop() == 0
    stack.signal()
    entry = dead_letter(stack, ORDERS, keys.EXECUTOR)
    found = run_ops(stack, "audit", "--json", "--grace", "0")
    assert (found.code, found.json["found"]) == (1, {"dead letter": 1})

    back = run_ops(stack, "dead", "retry", ORDERS, entry, "--yes", "--json")
    assert (back.code, back.json["put_back_as"]) == (0, entry)
    stack.executor()
    assert stack.wait_reports("alice", 1)[0]["outcome"] == "filled"
    assert (len(stack.orders("alice")), len(stack.venue_orders("alice"))) == (1, 1)
    assert run_ops(stack, "audit", "--json", "--grace", "0").json["ok"]
    assert run_ops(stack, "dead", "retry", ORDERS, entry, "--yes").code == 2


def test_a_dead_order_that_is_given_up_has_failed_by_an_operator(stack: Stack) -> None:
    first, _ = stack.executor(), stack.engine()
    stack.wait_ready("alice")
    assert first.stop() == 0
    stack.signal()
    entry = dead_letter(stack, ORDERS, keys.EXECUTOR)
    order = keys.order("alice", stack.orders("alice")[0]["id"])
    stack.client.hset(order, "state", "unknown")
    refused = run_ops(stack, "dead", "drop", ORDERS, entry, "--yes")
    assert (refused.code, "it may have traded" in refused.err) == (2, True)
    stack.client.delete(order)

    assert run_ops(stack, "dead", "drop", ORDERS, entry, typed="n\n").code == 1
    assert run_ops(stack, "dead", "list", "--json").json["dead_letters"]
    dropped = run_ops(stack, "dead", "drop", ORDERS, entry, "--reason", "too late for it", "--yes")
    assert dropped.code == 0
    assert "too late for it" in stack.client.hgetall(keys.dropped(ORDERS))[entry]
    assert run_ops(stack, "dead", "list", "--json").json["dead_letters"] == []
    stack.executor()
    stack.signal(kind="exit", fraction="1")
    assert stack.wait_reports("alice", 1)[0]["kind"] == "exit"
    figures = run_ops(stack, "audit", "--json", "--grace", "0").json
    assert (figures["ok"], figures["dropped"], figures["outcomes"]) == (True, 1, {"failed": 1, "skipped": 1})
    assert stack.venue_orders("alice") == []


def test_a_dead_signal_that_is_put_back_reaches_every_user_as_a_new_entry(stack: Stack) -> None:
    _, engine = stack.executor(), stack.engine()
    stack.wait_ready("alice")
    stack.signal()
    stack.wait_reports("alice", 1)
    assert engine.stop() == 0
    signal = stack.signal()
    entry = dead_letter(stack, keys.SIGNALS, keys.ENGINE)
    stack.engine()
    back = run_ops(stack, "dead", "retry", keys.SIGNALS, entry, "--yes", "--json")
    assert back.json["put_back_as"] > entry
    assert stack.wait_reports("alice", 2)[1]["signal_id"] == signal
    assert len(stack.venue_orders("alice")) == 2
    assert run_ops(stack, "audit", "--json", "--grace", "0").json["ok"]


def test_a_signal_that_still_cannot_be_read_is_buried_again_and_can_be_given_up(stack: Stack) -> None:
    stack.executor()
    stack.engine()
    stack.wait_ready("alice")
    stack.client.xadd(keys.SIGNALS, {"hello": "world"})
    stack.signal()
    stack.wait_reports("alice", 1)

    def letters() -> list[str]:
        return [row["entry_id"] for row in run_ops(stack, "dead", "list", "--json").json["dead_letters"]]

    (first,) = letters()
    back = run_ops(stack, "dead", "retry", keys.SIGNALS, first, "--yes")
    assert (back.code, "still unreadable" in back.err) == (0, True)
    wait_for(lambda: letters() not in ([], [first]), 20, "it is a dead letter again")
    (second,) = letters()
    assert run_ops(stack, "dead", "drop", keys.SIGNALS, second, "--yes").code == 0
    assert run_ops(stack, "audit", "--json", "--grace", "0").json["ok"]
