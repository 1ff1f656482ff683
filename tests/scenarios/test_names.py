"""Names that change while everything runs: of coins, of users; and one key that stands under two names."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.outcomes import wait_outcomes
from tests.support.processes import wait_for
from tests.support.stack import Stack

ALIAS: Final = '[[rename]]\nvenue = "kraken"\nfrom = "DOT"\nto = "NDOT"\n'
NO_STOP: Final = '[exits]\nstop_loss_pct = "off"\n'


@pytest.fixture(params=["kraken"])
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Alice holds DOT from copying, and some of her own; at Kraken, unless a test asks for both venues."""
    with Stack(tmp_path, ["alice"], user_settings=NO_STOP, venue=request.param) as stack:
        stack.open_account("alice", USD=5000)
        stack.price("DOT/USD", "6")
        stack.executor(["alice"])
        stack.engine()
        stack.wait_ready("alice")
        wait_outcomes(stack, ["alice"], stack.signal("DOT/USD", size="100", price="6"))
        stack.post("/paper/deposit", {"user": "alice", "venue": stack.venue, "asset": "DOT", "amount": "5"})
        yield stack


def held(stack: Stack, user: str = "alice") -> dict[str, str]:
    """What is held from copying, by symbol."""
    return stack.held(user)


def reason(stack: Stack, user: str) -> str:
    """Why an account does not trade."""
    return stack.account(user).get("reason", "")


def test_a_coin_that_is_renamed_while_it_is_held_is_moved_and_sold(stack: Stack) -> None:
    """Case F1: "nothing is held", and the only tool erased the position."""
    assert held(stack) == {"DOT/USD": "50"}
    stack.post("/paper/rename", {"from": "DOT", "to": "NDOT"})
    wait_for(lambda: "no DOT any more" in str(_reconciled(stack)), 60, "what to do is said")
    assert run_ops(stack, "reconcile", "--repair", "--json").json["accounts"][0]["repaired"] == 0
    assert held(stack) == {"DOT/USD": "50"}
    early = stack.signal(
        "DOT/USD", kind="exit", size="50", price="6", fraction="0.5"
    )  # before anybody knows the new name
    wait_for(lambda: "lists no DOT any more" in run_ops(stack, "status", "--json").out, 60, "status says so")
    (stack.config / "renames.toml").write_text(ALIAS)
    wait_outcomes(stack, ["alice"], early)
    assert held(stack) == {"NDOT/USD": "25"}
    out = stack.signal("NDOT/USD", kind="exit", size="50", price="6", fraction="1")
    (report,) = wait_outcomes(stack, ["alice"], out)["alice"].values()
    assert (report["outcome"], report["symbol"], report["filled_size"]) == ("filled", "NDOT/USD", "25")
    assert held(stack) == {}
    assert Decimal(stack.get("/paper/accounts/alice/kraken")["balances"]["NDOT"]) == 5
    audited = run_ops(stack, "audit", "--json")
    assert audited.code == 0, audited.out
    assert run_ops(stack, "reconcile", "--json").json["differences"] == []


def _reconciled(stack: Stack) -> list[dict[str, str]]:
    found: list[dict[str, str]] = run_ops(stack, "reconcile", "--json").json["differences"]
    return found


@pytest.mark.parametrize("stack", ["kraken", "coinbase"], indirect=True)
def test_one_key_for_two_users_is_refused(stack: Stack) -> None:
    """In one environment for both; in two containers, each of which knows one of them, for both as well."""
    stack.write_user("bob", NO_STOP)
    stack.keys["bob"] = stack.keys["alice"]
    bob = stack.start("executor", "services.executor", EXECUTOR_USERS="bob")
    wait_for(lambda: "hold the same key" in reason(stack, "bob"), 60, "bob is refused in an environment that has both")
    bob.stop()
    stem = f"{stack.venue.upper()}_USER_ALICE_API"
    only = {f"{stem}_KEY": "", f"{stem}_SECRET": ""}
    bob = stack.start("executor", "services.executor", EXECUTOR_USERS="bob", **only)
    wait_for(lambda: "is also alice's" in reason(stack, "bob"), 60, "bob is refused")
    wait_for(lambda: "is also bob's" in reason(stack, "alice"), 60, "alice is refused")
    signal = stack.signal("DOT/USD", size="100", price="6")
    wait_for(lambda: len(stack.reports("alice")) == 2, 60, "alice's entry is skipped")
    assert [row["outcome"] for row in stack.reports("alice") if row["signal_id"] == signal] == ["skipped"]
    assert len(stack.venue_orders("alice")) == 1
    bob.stop()
    stack.wait_ready("alice")


def test_a_user_is_renamed_with_everything_that_is_theirs(stack: Stack) -> None:
    ran = run_ops(stack, "user", "rename", "alice", "alicia", "--yes")
    assert (ran.code, "engine is running" in ran.err) == (2, True)
    assert run_ops(stack, "audit", "--json").code == 0
    engine, executor = (
        next(service for service in stack.services if service.name == name) for name in ("copy-engine", "executor")
    )
    engine.stop()
    wait_for(lambda: not list(stack.client.scan_iter(keys.heartbeat("copy-engine", "*"))), 60, "the engine is gone")
    ran = run_ops(stack, "user", "rename", "alice", "alicia", "--yes")
    assert (ran.code, "serves alice: stop it first" in ran.err) == (2, True)
    executor.stop()
    stack.write_user("alice", "papper = true\n")  # whose money these books are of is in the file
    ran = run_ops(stack, "user", "rename", "alice", "alicia", "--yes")
    assert (ran.code, "alice.toml: papper is not a known setting" in ran.err) == (2, True)
    stack.write_user("alice", NO_STOP)
    waits = stack.signal("DOT/USD", kind="exit", size="50", price="6", fraction="0.5")  # it waits for an engine
    ran = run_ops(stack, "user", "rename", "alice", "alicia", "--yes", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["variables"]["KRAKEN_USER_ALICE_API_KEY"] == "KRAKEN_USER_ALICIA_API_KEY"
    assert (held(stack), held(stack, "alicia")) == ({}, {"DOT/USD": "50"})
    assert not (stack.config / "users" / "alice.toml").exists()
    again = run_ops(stack, "user", "rename", "alice", "alicia", "--yes", "--json")
    assert (again.code, again.json["resumed"]) == (0, True), "repeating it changes nothing"
    assert held(stack, "alicia") == {"DOT/USD": "50"}
    stack.keys["alicia"] = stack.keys.pop("alice")
    stack.executor(["alicia"])
    stack.engine()
    stack.wait_ready("alicia")
    out = stack.signal("DOT/USD", kind="exit", size="50", price="6", fraction="1")
    found = wait_outcomes(stack, ["alicia"], waits, out)["alicia"]
    assert [found[each]["filled_size"] for each in (waits, out)] == ["25", "25"]
    assert stack.get("/paper/accounts/alice/kraken")["balances"]["DOT"] == "5", "the exchange's account is the same"
    assert stack.invalid_nonces() == []
    audited = run_ops(stack, "audit", "--json")
    assert audited.code == 0, audited.out
