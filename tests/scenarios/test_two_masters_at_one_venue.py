"""Two masters with an account each at one venue, and a user who follows both: shares, exits of one book, restarts, the audit.

Real processes; a person trades on each master's account. Judged by what the exchange saw.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import keys
from shared.domain.account import MASTER, master_owner
from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match
from tests.support.person import Person
from tests.support.processes import wait_for
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)

SWING = master_owner("swing")
ANNA = """
[guards]
max_signal_age = "10m"
[follow.swing]
venue = "kraken"
share_pct = 30
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Anna copies the master of Kraken, and swing with 30 % of her 10,000 USD."""
    with Stack(tmp_path, ["anna"], user_settings=ANNA) as made:
        (made.config / "masters").mkdir()
        (made.config / "masters" / "swing.toml").write_text(
            'venue = "kraken"\nkey = "swing"\nsource = "account"\nsymbols = ["BTC/USD"]\n'
        )
        (made.config / "strategy.toml").write_text('strategy = "none"\nsymbols = ["BTC/USD", "ETH/USD"]\n')
        made.price("BTC/USD", "50000")
        made.price("ETH/USD", "2500")
        made.open_account("anna", USD=10_000)
        made.open_account(MASTER, USD=100_000)
        made.open_account(SWING, USD=100_000)
        yield made


def _books(stack: Stack) -> dict[str, Decimal]:
    """Return what anna holds of bitcoin for each master; the main book has an empty name."""
    written = stack.client.hget(keys.positions("anna", "kraken"), "BTC/USD")
    record: dict[str, Any] = json.loads(str(written)) if written else {}
    books = record.get("books") or ({"": record} if record else {})
    return {name: Decimal(book["base_size"]) for name, book in books.items()}


def _decided(stack: Stack, count: int) -> dict[str, str]:
    """Wait for so many reports; return the latest."""
    return stack.wait_reports("anna", count)[-1]


def _audit(stack: Stack) -> dict[str, Any]:
    audited = run_ops(stack, "audit", "--json")
    assert audited.code == 0, audited.out
    found: dict[str, Any] = audited.json
    return found


def test_two_masters_at_one_venue_are_copied_apart_through_restarts_of_every_process(stack: Stack) -> None:
    master = stack.start("master", "services.master_strategy")
    executor, engine = stack.executor(), stack.engine()
    stack.wait_ready(MASTER, SWING, "anna")
    people = {owner: Person(stack, owner) for owner in (MASTER, SWING)}
    for owner in people:
        wait_for(
            lambda owner=owner: stack.client.get(keys.fill_cursor(owner, "kraken")) is not None,  # type: ignore[misc]
            60,
            f"the first scan of {owner}",
        )

    # Each buys for 40 % of its equity: anna for 40 % of hers, and for swing for 40 % of its share, which is 30 % of hers.
    people[MASTER].trade("buy", "0.8")
    bought = _decided(stack, 1)
    assert (bought["outcome"], bought.get("master", "")) == ("filled", "")
    people[SWING].trade("buy", "0.8")
    bought = _decided(stack, 2)
    assert (bought["outcome"], bought["master"]) == ("filled", "swing"), bought
    held = _books(stack)
    assert Decimal("0.078") < held[""] < Decimal("0.081"), held
    assert Decimal("0.023") < held["swing"] <= Decimal("0.024"), held
    assert _audit(stack)["books"]["equal"] == 1

    # A purchase of swing in another symbol than those of its file is not copied, one of the other master is.
    people[SWING].trade("buy", "1", "ETHUSD")
    people[MASTER].trade("buy", "1", "ETHUSD")
    ether = _decided(stack, 3)
    assert (ether["symbol"], ether["outcome"], ether.get("master", "")) == ("ETH/USD", "filled", "")

    # Every process dies once; what swing sells meanwhile is an exit of its book alone.
    master.kill()
    people[SWING].trade("sell", "0.4")
    master = stack.start("master", "services.master_strategy")
    half = _decided(stack, 4)
    assert (half["kind"], half["outcome"], half["master"]) == ("exit", "filled", "swing"), half
    after = _books(stack)
    assert after[""] == held[""]
    assert abs(after["swing"] - held["swing"] / 2) <= Decimal("0.00000001")
    executor.kill()
    people[SWING].trade("sell", "0.4")
    executor = stack.executor()
    last = _decided(stack, 5)
    assert (last["outcome"], last["master"]) == ("filled", "swing"), last
    assert _books(stack) == {"": held[""]}
    engine.kill()
    people[MASTER].trade("sell", "0.8")
    engine = stack.engine()
    rest = _decided(stack, 6)
    assert (rest["outcome"], rest.get("master", "")) == ("filled", ""), rest
    assert _books(stack) == {}

    found = _audit(stack)
    assert (found["signals"], found["books"]["checked"], found["books"]["equal"]) == (6, 1, 1), found
    assert_books_match(stack, "anna")
    assert stack.invalid_nonces() == []
    for service in (master, executor, engine):
        assert service.running

    status = run_ops(stack, "status", "--json").json
    assert [(row["venue"], row["state"], row["master"]) for row in status["master"]] == [
        ("kraken", "ready", ""),
        ("kraken", "ready", "swing"),
    ]
    checked = run_ops(stack, "doctor", "--master", "--json").json["accounts"]
    assert [(row["user"], row["venue"]) for row in checked] == [(MASTER, "kraken"), (SWING, "kraken")]
    assert all(row["result"] != "unknown" for row in checked), checked
