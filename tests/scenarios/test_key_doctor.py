"""Keys in live mode, with real processes: those that may do too much or too little, and venues that do not answer about one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.test_dry_run import LiveStack, live
from tests.support.ops_command import run_ops
from tests.support.outcomes import wait_outcomes
from tests.support.processes import wait_for

TRADING = ["query-funds", "query-open-orders", "query-closed-orders", "modify-orders", "cancel-orders"]


VIEWING = TRADING[:3]


REFUSED = {
    "rita": 'the key has "Funds: Withdraw": take it away',
    "cara": 'the key has "Transfer": take it away',
    "vera": 'the key lacks "Trade": tick it',
}


def checked(stack: LiveStack, user: str) -> tuple[str | None, str | None]:
    account = stack.account(user)
    return account.get("doctor"), account.get("state")


@pytest.mark.timeout(180)
def test_a_key_that_may_withdraw_is_parked_and_nobody_else(tmp_path: Path) -> None:
    at_coinbase = dict.fromkeys(("cara", "cole", "vera"), ("coinbase",))
    with live(tmp_path, at=at_coinbase, rita="", tom="", cara="", cole="", vera="") as stack:
        for user in ("rita", "cara"):
            stack.on_real_money(user, *TRADING, "withdraw")
        for user in ("tom", "cole"):
            stack.on_real_money(user, *TRADING)
        stack.on_real_money("vera", *VIEWING)
        stack.executor(["rita", "tom", "cara", "cole", "vera"])
        stack.engine()
        stack.wait_ready("tom", "cole")
        for user, words in REFUSED.items():
            wait_for(lambda user=user: checked(stack, user) == ("refused", "parked"), 30, f"{user} is parked")  # type: ignore[misc]
            assert words in stack.status(user)["reason"]

        signals = stack.signal_at_each()
        for told in wait_outcomes(stack, ["tom", "cole"], signals).values():
            assert [row["outcome"] for row in told.values()] == ["filled"]
        assert [stack.market.venue_orders(user) for user in REFUSED] == [[], [], []]
        ran = run_ops(stack, "doctor", "--json")
        results = {row["user"]: row["result"] for row in ran.json["accounts"]}
        assert (ran.code, {user for user, result in results.items() if result == "refused"}) == (1, set(REFUSED))
        assert results["tom"] == "warning"
        assert stack.market.invalid_nonces() == []
        for service in stack.services:
            assert not [text for pair in stack.keys.values() for text in pair if text in service.log()]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("venue", "question"), [("kraken", "GetApiKeyInfo"), ("coinbase", "GetKeyPermissions")])
def test_while_the_venue_does_not_answer_nothing_is_parked_and_no_entry_is_taken(
    tmp_path: Path, venue: str, question: str
) -> None:
    with live(tmp_path, venue=venue, rita="") as stack:
        stack.on_real_money("rita", *TRADING)
        stack.market.fault("http_520", user="rita", method=question)
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
        stack.market.fault("http_520", user="rita", method=question)
        stack.signal(kind="exit", fraction="1")
        assert stack.wait_reports("rita", 3)[2]["outcome"] == "filled"
