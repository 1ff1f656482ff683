"""`ops reconcile` against a real executor: differences are told once, repaired only on request, and never traded away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from shared.contracts import keys
from tests.support.ops_command import CommandResult, run_ops
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

DIFFERS = "position differs"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice"]) as made:
        made.open_account("alice", USD=5000)
        made.price("BTC/USD", "60000")
        yield made


def reconciled(stack: Stack, *words: str) -> CommandResult:
    """Reconcile once an executor serves alice and nothing is too fresh to be judged any more."""
    passes: list[CommandResult] = []

    def judged() -> bool:
        passes.append(run_ops(stack, "reconcile", "--json", *words))
        answer = passes[-1].json["accounts"][0]
        return not answer["left_out"] and not answer["reason"]

    wait_for(judged, 40, "the position is judged")
    return passes[-1]


def held(stack: Stack) -> dict[str, str]:
    written = stack.client.hget(keys.positions("alice", "kraken"), "BTC/USD")
    found: dict[str, str] = json.loads(str(written))
    return found


def told(executor: Service) -> int:
    return executor.log().count(DIFFERS)


def test_coins_that_were_withdrawn_are_told_once_and_taken_off_the_books_on_request(stack: Stack) -> None:
    executor, _ = stack.executor(), stack.engine()
    stack.wait_ready("alice")
    stack.signal()
    stack.wait_reports("alice", 1)
    stack.post("/paper/withdraw", {"user": "alice", "venue": "kraken", "asset": "BTC", "amount": "0.002"})

    first = reconciled(stack)
    assert (first.code, first.json["accounts"][0]["found"], told(executor)) == (1, 1, 1)
    words = "0.005 BTC held from copying, but the account has only 0.003 BTC"
    assert first.json["differences"] == [{"user": "alice", "venue": "kraken", "symbol": "BTC/USD", "text": words}]
    assert words in run_ops(stack, "status").out

    second = reconciled(stack)
    assert (second.json["accounts"][0]["found"], told(executor)) == (1, 1)
    assert executor.stop() == 0
    unserved = run_ops(stack, "reconcile", "--json")
    assert (unserved.code, unserved.json["accounts"][0]["reason"]) == (1, "no executor has answered")
    executor = stack.executor()
    assert (reconciled(stack).json["accounts"][0]["found"], told(executor)) == (1, 0)
    assert held(stack)["base_size"] == "0.005"

    cost = Decimal(held(stack)["cost"])
    repaired = reconciled(stack, "--repair")
    assert (repaired.code, repaired.json["accounts"][0]["repaired"], repaired.json["differences"]) == (0, 1, [])
    assert (held(stack)["base_size"], Decimal(held(stack)["cost"])) == ("0.003", cost * 3 / 5)
    after = run_ops(stack, "reconcile", "--json")
    assert (after.code, after.json["accounts"][0]["found"], told(executor)) == (0, 0, 0)
    assert len(stack.venue_orders("alice")) == 1  # nothing was bought back

    stack.signal(kind="exit", fraction="1")
    assert stack.wait_reports("alice", 2)[1]["filled_size"] == "0.003"
    assert run_ops(stack, "audit", "--json", "--grace", "0").json["ok"]


def test_a_user_who_does_not_exist_is_refused(stack: Stack) -> None:
    ran = run_ops(stack, "reconcile", "--user", "alcie")
    assert (ran.code, ran.err) == (2, "ops: --user alcie: there is no such user (known: alice)\n")
