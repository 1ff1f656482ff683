"""A user changes `[follow]` while something is held: with a real engine and executor, and an account at each venue."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match
from tests.support.processes import wait_for
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(200)

VENUES = ("kraken", "coinbase")


def _decided(stack: Stack, signal: str) -> dict[str, str]:
    """Wait for the outcome of a signal; answers its report."""
    wait_for(lambda: any(row["signal_id"] == signal for row in stack.reports("anna")), 60, f"{signal} has ended")
    (found,) = [row for row in stack.reports("anna") if row["signal_id"] == signal]
    return found


def _record(stack: Stack, field: str) -> str | None:
    return stack.client.hget(keys.following("anna"), field)  # type: ignore[return-value]  # redis-py's union


def _in_force(stack: Stack, field: str, value: str) -> bool:
    return _record(stack, field) == value


def test_exits_reach_what_is_held_wherever_follow_points_by_then(tmp_path: Path) -> None:
    with Stack(tmp_path, ["anna"], venues={"anna": VENUES}) as stack:
        for name, price in (("BTC/USD", "60000"), ("ETH/USD", "3000")):
            stack.price(name, price)
        stack.open_account("anna", USD=5_000)
        stack.open_account("master", USD=10_000)
        stack.executor()
        stack.engine()
        stack.wait_ready("anna")
        bought = _decided(stack, stack.signal())
        assert (bought["outcome"], bought["venue"]) == ("filled", "kraken")

        # The Kraken master moves to Coinbase: bitcoin is sold at Kraken, ether bought at Coinbase.
        stack.write_user("anna", '[follow]\nkraken = "coinbase"\n')
        wait_for(partial(_in_force, stack, "follow:kraken", "coinbase"), 60, "the change is in effect")
        ether = _decided(stack, stack.signal("ETH/USD", size="0.2", price="3000"))
        assert (ether["outcome"], ether["venue"]) == ("filled", "coinbase"), ether
        more = _decided(stack, stack.signal())
        assert (more["outcome"], more["code"]) == ("skipped", "already_held"), more
        left = _decided(stack, stack.signal(kind="exit", fraction="1"))
        assert (left["outcome"], left["venue"]) == ("filled", "kraken"), left
        assert stack.held("anna", "kraken") == {}

        # Coinbase's own master takes that account over, but only once the ether of the other one is sold.
        stack.write_user("anna", '[follow]\nkraken = "none"\n')
        waits = _decided_with(stack, "follow_changed", "coinbase")
        assert "once nothing copied from the kraken master is held there" in waits["reason"]
        strange = _decided(stack, stack.signal("ETH/USD", kind="exit", fraction="1", venue="coinbase"))
        assert (strange["outcome"], strange["code"]) == ("skipped", "follow_changed"), strange
        assert "ETH/USD" in stack.held("anna", "coinbase")
        sold = _decided(stack, stack.signal("ETH/USD", kind="exit", fraction="1"))
        assert (sold["outcome"], sold["venue"]) == ("filled", "coinbase"), sold
        wait_for(partial(_in_force, stack, "follow:kraken", ""), 60, "the account has gone over")
        assert _record(stack, "account:coinbase") is None
        after = _decided(stack, stack.signal("ETH/USD", size="0.2", price="3000", venue="coinbase"))
        assert (after["outcome"], after["venue"]) == ("filled", "coinbase"), after
        assert_books_match(stack, "anna")
        audited = run_ops(stack, "audit", "--json")
        assert audited.code == 0, audited.out


def _decided_with(stack: Stack, code: str, venue: str) -> dict[str, str]:
    """Signal entries of a master until the engine knows the new file; answers the first outcome with this code."""
    while True:
        found = _decided(stack, stack.signal("ETH/USD", size="0.2", price="3000", venue=venue))
        assert found["outcome"] == "skipped", found
        if found["code"] == code:
            return found
