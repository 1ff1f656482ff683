"""A person trades on the master's account; what users end up with, judged by what the exchange saw. Real processes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.paper_exchange.core.account import DEFAULT_PERMISSIONS, Permission
from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.person import Person, further_key
from tests.support.processes import wait_for
from tests.support.stack import Stack

POLLED = sorted(each.value for each in DEFAULT_PERMISSIONS - {Permission.WEBSOCKETS})
"""The rights of a key that may open no streams."""
_IDLE: str = 'symbols = ["BTC/USD"]\nentry_pct = 0.00001\nentry_pct_by_symbol = {}\n'
"""A strategy whose entries are below every minimum."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice"]) as made:
        (made.config / "strategy.toml").write_text(_IDLE)
        made.price("BTC/USD", "60000")
        made.price("BTC/EUR", "55000")
        made.open_account("master", USD=1_000_000, EUR=100_000)
        made.post("/paper/accounts", {"user": "margin", "venue": "kraken", "margin": True})
        yield made


def _start(stack: Stack) -> Person:
    if "alice" not in stack.keys:
        stack.open_account("alice", USD=1_000_000)
    person = Person(stack, "master")
    master = stack.start("master", "services.master_strategy")
    stack.executor()
    stack.engine()
    stack.wait_ready("master", "alice")
    wait_for(lambda: stack.client.get(keys.fill_cursor("master", "kraken")) is not None, 30, "the first scan has ended")
    assert master.running
    return person


def _signals(stack: Stack) -> list[dict[str, str]]:
    rows: Any = stack.client.xrange(keys.SIGNALS)
    return [fields for _, fields in rows]


def _holds(stack: Stack, user: str) -> Decimal:
    balances = stack.get(f"/paper/accounts/{user}/kraken")["balances"]
    found = balances.get("BTC", "0")
    return Decimal(found["total"] if isinstance(found, dict) else found)


def test_master_flat_users_flat(stack: Stack) -> None:
    """Cases S3 (sold while the purchase rests) and B2 (sold for another currency)."""
    person = _start(stack)
    resting = person.trade("buy", "0.10", ordertype="limit", price="59000")
    person.trade("buy", "0.04")
    wait_for(lambda: _holds(stack, "alice") > 0, 60, "alice has copied the first purchase")
    person.trade("sell", "0.02")
    wait_for(lambda: len(stack.reports("alice")) == 2, 60, "alice has sold half")
    stack.price("BTC/USD", "58900")
    wait_for(lambda: len(stack.reports("alice")) == 3, 60, "alice has copied what rested")
    assert resting in {signal["master_order_id"] for signal in _signals(stack)}
    person.trade("sell", str(_holds(stack, "master")), "XBTEUR")
    wait_for(lambda: len(stack.reports("alice")) == 4, 60, "alice has sold the rest")
    assert _holds(stack, "master") == 0
    assert _holds(stack, "alice") == 0
    last = _signals(stack)[-1]
    assert (last["symbol"], last["kind"], last["fraction"]) == ("BTC/USD", "exit", "1")
    assert run_ops(stack, "drift", "--json").json["drift"] == []
    shown = run_ops(stack, "master", "--json").json
    assert shown["not_copied"] == []
    assert stack.invalid_nonces() == []


def test_copies_on_the_masters_own_account_are_no_signals(stack: Stack) -> None:
    """Case C1: alice's key is a second key of the master's own account."""
    stack.keys["alice"] = further_key(stack, "master")
    person = _start(stack)
    person.trade("buy", "1")
    wait_for(lambda: len(stack.reports("alice")) == 1, 60, "alice has copied it")
    wait_for(lambda: stack.client.hget(keys.control("alice"), "mode") == "halt", 60, "alice is halted")
    assert "this key opens the master's own account" in str(stack.client.hget(keys.control("alice"), "reason"))
    person.trade("buy", "2")
    wait_for(lambda: len(_signals(stack)) == 2, 60, "the second purchase is told")
    wait_for(lambda: len(stack.reports("alice")) == 2, 60, "alice is skipped")
    assert stack.reports("alice")[1]["outcome"] == "skipped"
    bought = [order["client_order_id"] for order in stack.venue_orders("master") if order["side"] == "buy"]
    assert len(bought) == 3  # two of the person's, one copy
    (passed,) = run_ops(stack, "master", "--json").json["not_copied"]
    assert (passed["reason"], passed["size"]) == ("copy_of_a_user", "1 BTC")
    wait_for(lambda: "alice" in _faults(stack), 30, "status shows it")


def test_one_bad_row_record_or_file_leaves_all_other_rows_read(stack: Stack) -> None:
    """Cases E1 (a row without a type), B3 (a pair that is not in the list yet) and B1 (margin)."""
    stack.keys["master"] = further_key(stack, "margin", POLLED)  # a stream would show the row that the list does not
    stack.post("/paper/deposit", {"user": "margin", "venue": "kraken", "asset": "USD", "amount": "1000000"})
    stack.price("ETH/USD", "3000")
    stack.fault("pair_not_listed", symbol="SOL/USD")
    person = Person(stack, "margin")
    master = stack.start("master", "services.master_strategy")
    stack.wait_ready("master")
    wait_for(lambda: stack.client.get(keys.fill_cursor("master", "kraken")) is not None, 30, "the first scan has ended")
    stack.fault("row_without_type", symbol="ETH/USD")
    bad = person.trade("buy", "1", "ETHUSD")
    new = person.trade("buy", "10", "SOLUSD")
    short = person.trade("sell", "1", leverage="2")
    good = person.trade("buy", "1")
    wait_for(lambda: _signals(stack), 60, "the good row is told")
    assert [signal["master_order_id"] for signal in _signals(stack)] == [good]
    rows = {f"kraken {bad}", f"kraken {new}"}  # a fault names the venue: the master may have an account at each
    wait_for(lambda: _faults(stack) >= rows, 30, "status shows both rows")
    stack.clear_faults()
    passed = {bad, new, short}
    # Both are read now, and are too late or just in time to be told: what counts is that none is lost.
    wait_for(
        lambda: (
            {row["order"] for row in _uncopied(stack)} | {row["master_order_id"] for row in _signals(stack)}
            == passed | {good}
        ),
        90,
        "every row is told or passed over",
    )
    assert {row["order"]: row["reason"] for row in _uncopied(stack)}[short] == "margin"
    assert "could not be read" not in master.log()


def _faults(stack: Stack) -> set[str]:
    return {fault["subject"] for fault in run_ops(stack, "status", "--json").json["faults"]}


def _uncopied(stack: Stack) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = run_ops(stack, "master", "--json").json["not_copied"]
    return rows
