"""`ops user add` and `remove` beside a running system, on real processes: no restart, and nothing that is held is forgotten."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from shared.contracts import keys
from tests.support.ops_command import CommandResult, run_ops
from tests.support.outcomes import wait_outcomes
from tests.support.processes import wait_for
from tests.support.secret_stack import SecretStack


def _row(stack: SecretStack, user: str) -> dict[str, object]:
    rows = run_ops(stack, "user", "list", "--json").json["users"]
    return next((dict(row) for row in rows if row["user"] == user), {})


def _ok(ran: CommandResult) -> str:
    assert ran.code == 0, ran.out + ran.err
    return ran.out


def test_paper_users_of_both_venues_are_added_copy_and_are_removed(tmp_path: Path) -> None:
    with SecretStack(tmp_path, ["alice"]) as stack:
        stack.open_account("alice", USD=5000)
        stack.price("BTC/USD", "60000")
        executor, engine = stack.executor(), stack.engine()  # which has room for alice alone
        stack.wait_ready("alice")
        added = {"dave": "kraken", "erin": "coinbase"}
        for user, venue in added.items():
            said = _ok(
                run_ops(stack, "user", "add", user, "--paper", "--balance", "800", "--venue", venue, "--wait", "60")
            )
            assert "with 800 USD" in said
            assert f"at {venue}: ready" in said, executor.log()
            stack.adopt(user, venue)
        signal = stack.signal_at_each(size="0.02")
        found = wait_outcomes(stack, ["alice", *added], signal)
        assert {
            user: row["outcome"] for user, (row,) in ((user, rows.values()) for user, rows in found.items())
        } == dict.fromkeys(["alice", *added], "filled")
        assert (executor.running, engine.running) == (True, True)
        assert _row(stack, "erin")["key"] == {"coinbase": "folder"}
        assert Decimal(str(_row(stack, "dave")["held"]).split()[0]) == Decimal("0.0016")

        refused = run_ops(stack, "user", "remove", "dave", "--yes")
        assert (refused.code, "dave holds 0.0016 BTC from copying" in refused.err) == (2, True)
        assert _ok(run_ops(stack, "user", "remove", "dave", "--flatten", "--yes")) == "dave is gone and holds nothing\n"
        assert Decimal(stack.get("/paper/accounts/dave/kraken")["balances"].get("BTC", "0")) == 0
        assert "erin is gone, still holds: 0.0016 BTC" in _ok(
            run_ops(stack, "user", "remove", "erin", "--keep", "--yes")
        )
        for user in added:
            wait_for(partial(_not_served, stack, user), 20, f"{user} is let go of")
        assert (_row(stack, "dave"), _row(stack, "erin")["state"]) == ({}, "gone, still holds")
        status = run_ops(stack, "status", "--json").json
        (gone,) = [row for row in status["users"] if row["user"] == "erin"]
        assert gone["reason"].startswith("gone, still holds: 0.0016 BTC; ")

        executor.kill()
        stack.executor()  # a later start must not sell what was to be kept
        stack.wait_ready("alice")
        wait_outcomes(stack, ["alice"], stack.signal_at_each(kind="exit", fraction="1"))
        assert {row["kind"] for row in stack.reports("erin")} == {"entry"}
        assert _not_served(stack, "erin")
        stack.assert_no_key_in(stack.all_that_was_written())
        audit = run_ops(stack, "audit", "--json", "--grace", "0")
        assert audit.code == 0, audit.out + audit.err


def _not_served(stack: SecretStack, user: str) -> bool:
    return not stack.client.exists(keys.lease(user))


@pytest.mark.parametrize(
    "command", [("unknown",), ("streams",), ("resting",), ("stopouts",), ("drift",), ("reconcile",), ("why",)]
)
def test_no_command_answers_for_a_user_that_does_not_exist(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Case N8."""
    with SecretStack(tmp_path, ["alice"]) as stack:
        ran = run_ops(stack, *command, "--user", "zed")
    assert (ran.code, "zed: there is no such user (known: alice" in ran.err) == (2, True), ran.out + ran.err
