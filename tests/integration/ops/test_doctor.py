"""`ops doctor` against real processes: whoever serves an account makes the check, and nobody's nonces are disturbed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import keys
from tests.support.ops_command import CommandResult, run_ops
from tests.support.processes import wait_for
from tests.support.stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice"]) as made:
        made.price("BTC/USD", "60000")
        yield made


def open_account(stack: Stack, user: str, **options: Any) -> None:
    """Open an account whose key has rights of its own."""
    key, secret = f"PAPER{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode()
    stack.keys[user] = (key, secret)
    body = {"user": user, "venue": "kraken", "api_key": key, "api_secret": secret, "balances": {"USD": "5000"}}
    stack.post("/paper/accounts", body | options)


def findings(ran: CommandResult, row: int = 0) -> dict[str, tuple[str, str]]:
    """The last finding of each check of an account."""
    return {each["check"]: (each["result"], each["text"]) for each in ran.json["accounts"][row]["findings"]}


def clean(stack: Stack, ran: CommandResult) -> None:
    """Check that no key, no secret and no signature is in what a command printed."""
    for key, secret in stack.keys.values():
        assert key not in ran.out + ran.err
        assert secret not in ran.out + ran.err


def test_the_executor_makes_the_check_and_goes_on_trading(stack: Stack) -> None:
    open_account(stack, "alice", ip_allowlist=["192.0.2.1"])
    executor, _ = stack.executor(), stack.engine()
    stack.wait_ready("alice")
    ran = run_ops(stack, "doctor", "alice", "--json")
    assert (ran.code, ran.json["ok"]) == (0, True), ran.out
    found = findings(ran)
    assert found["trade"] == ("ok", "an order for BTC/USD would be accepted (validated, not sent)")
    assert found["withdraw"] == ("ok", "may neither withdraw nor transfer")
    assert found["ip_list"][0] == found["clock"][0] == found["minimums"][0] == "ok"
    assert stack.venue_orders("alice") == []
    stack.signal()
    assert stack.wait_reports("alice", 1)[0]["outcome"] == "filled"
    again = run_ops(stack, "doctor")
    assert (again.code, "OK: no key is refused" in again.out) == (0, True)
    clean(stack, ran)
    clean(stack, again)
    assert stack.invalid_nonces() == []
    for key, secret in stack.keys.values():
        assert key not in executor.log()
        assert secret not in executor.log()


def test_a_key_that_may_withdraw_is_refused_and_with_paper_money_only_told(stack: Stack) -> None:
    permissions = ["query-funds", "query-open-orders", "query-closed-orders", "modify-orders", "withdraw"]
    open_account(stack, "alice", permissions=permissions)
    stack.executor()
    stack.wait_ready("alice")
    ran = run_ops(stack, "doctor", "alice")
    assert ran.code == 1
    assert 'the key has "Funds: Withdraw": take it away' in " ".join(ran.out.split())
    clean(stack, ran)
    status = run_ops(stack, "status", "--json").json
    assert status["readiness"]["users_ready"] == ["alice"]
    assert any("Funds: Withdraw" in note for note in status["readiness"]["notes"])
    assert stack.client.hget(keys.account("alice", "kraken"), "doctor") == "refused"


def test_an_account_that_nobody_serves_is_checked_here_and_let_go(stack: Stack) -> None:
    open_account(stack, "alice")
    ran = run_ops(stack, "doctor", "alice", "--json")
    assert ran.code == 0, ran.out
    assert findings(ran)["signature"] == ("ok", "Kraken accepts key and secret")
    assert stack.client.get(keys.lease("alice")) is None
    stack.executor()
    stack.wait_ready("alice")
    assert stack.invalid_nonces() == []


def test_mistakes_in_a_key_are_named_before_anything_is_sent(stack: Stack) -> None:
    key = "PAPER" + "A" * 51
    stack.keys["alice"] = (key, "not the base64 of anything!")
    ran = run_ops(stack, "doctor", "alice", "--json")
    assert (ran.code, findings(ran)["secret"][0]) == (1, "refused")
    assert "base64" in findings(ran)["secret"][1]
    clean(stack, ran)
    assert stack.get("/paper/requests") == []
    stack.keys.clear()
    ran = run_ops(stack, "doctor", "alice", "--json")
    assert (ran.code, findings(ran)["secret"][0]) == (1, "unknown")
    assert "start what serves them, or run this where the keys are" in findings(ran)["secret"][1]


def test_an_account_that_is_parked_tells_why_and_is_not_called(stack: Stack) -> None:
    open_account(stack, "alice")
    stack.fault("temporary_lockout", user="alice")
    stack.executor()
    wait_for(lambda: stack.client.hget(keys.account("alice", "kraken"), "state") == "parked", 30, "alice is parked")
    ran = run_ops(stack, "doctor", "alice", "--json")
    assert ran.code == 1
    assert "Temporary lockout" in findings(ran)["signature"][1]


def test_a_user_who_does_not_exist_is_refused(stack: Stack) -> None:
    ran = run_ops(stack, "doctor", "alcie")
    assert (ran.code, ran.err) == (2, "ops: alcie: there is no such user (known: alice)\n")


def test_a_further_account_of_the_master_is_checked_by_the_name_of_its_key(stack: Stack) -> None:
    (stack.config / "masters").mkdir()
    (stack.config / "masters" / "swing.toml").write_text('venue = "kraken"\nkey = "bot-1"\n')
    open_account(stack, "master.bot-1")
    ran = run_ops(stack, "doctor", "--master", "--json")
    assert [(each["user"], each["venue"]) for each in ran.json["accounts"]] == [("master.swing", "kraken")]
    assert findings(ran)["withdraw"] == ("ok", "may neither withdraw nor transfer")
    clean(stack, ran)
    del stack.keys["master.bot-1"]
    missing = run_ops(stack, "doctor", "--master", "--json")
    assert "KRAKEN_MASTER_BOT_1_API_KEY is not set" in missing.out
