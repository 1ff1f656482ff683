"""Keys in live mode, with real processes: one that may withdraw, and a venue that does not answer the question about it."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest

from shared.contracts import keys
from tests.scenarios.test_dry_run import LiveStack, live
from tests.support.ops_command import run_ops
from tests.support.processes import wait_for

TRADING = ["query-funds", "query-open-orders", "query-closed-orders", "modify-orders", "cancel-orders"]


def real_money(stack: LiveStack, user: str, *permissions: str) -> None:
    """Return a user an account at the real venue, with a key of these rights."""
    key, secret = f"Real{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode()
    body = {"user": user, "venue": "kraken", "api_key": key, "api_secret": secret, "balances": {"USD": "5000"}}
    stack.market.post("/paper/accounts", body | {"permissions": list(permissions)})
    stack.use(user, key, secret)


def checked(stack: LiveStack, user: str) -> tuple[str, str]:
    doctor, state = stack.client.hmget(keys.account(user, "kraken"), "doctor", "state")
    return str(doctor), str(state)


@pytest.mark.timeout(180)
def test_a_key_that_may_withdraw_is_parked_and_nobody_else(tmp_path: Path) -> None:
    with live(tmp_path, rita="", tom="") as stack:
        real_money(stack, "rita", *TRADING, "withdraw")
        real_money(stack, "tom", *TRADING)
        stack.executor(["rita", "tom"])
        stack.engine()
        stack.wait_ready("tom")
        wait_for(lambda: checked(stack, "rita") == ("refused", "parked"), 30, "rita is parked")
        assert 'the key has "Funds: Withdraw": take it away' in stack.status("rita")["reason"]

        stack.signal()
        assert [row["outcome"] for row in stack.wait_reports("tom", 1)] == ["filled"]
        assert stack.market.venue_orders("rita") == []
        ran = run_ops(stack, "doctor", "--json")
        assert (ran.code, [row["result"] for row in ran.json["accounts"]]) == (1, ["refused", "warning"])
        assert stack.market.invalid_nonces() == []
        for service in stack.services:
            assert not [text for pair in stack.keys.values() for text in pair if text in service.log()]


@pytest.mark.timeout(180)
def test_while_the_venue_does_not_answer_nothing_is_parked_and_no_entry_is_taken(tmp_path: Path) -> None:
    with live(tmp_path, rita="") as stack:
        real_money(stack, "rita", *TRADING)
        stack.market.fault("http_520", user="rita", method="GetApiKeyInfo")
        stack.executor(["rita"])
        stack.engine()
        wait_for(lambda: checked(stack, "rita") == ("unknown", "ready"), 60, "rita is ready and unchecked")
        assert stack.status("rita")["state"] == "unchecked"
        stack.signal()
        (skipped,) = stack.wait_reports("rita", 1)
        assert (skipped["outcome"], skipped["code"]) == ("skipped", "key_unchecked")

        stack.market.clear_faults()
        ran = run_ops(stack, "doctor", "rita", "--json")
        assert ran.code == 0, ran.out
        assert stack.status("rita")["state"] == "ready"
        stack.signal()
        assert stack.wait_reports("rita", 2)[1]["outcome"] == "filled"
        stack.market.fault("http_520", user="rita", method="GetApiKeyInfo")
        stack.signal(kind="exit", fraction="1")
        assert stack.wait_reports("rita", 3)[2]["outcome"] == "filled"
