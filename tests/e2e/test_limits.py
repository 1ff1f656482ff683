"""Limits and stop-outs on real processes, and money that comes and goes while a position is open."""

from __future__ import annotations

import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from shared.contracts import keys
from tests.support.processes import wait_for
from tests.support.stack import Stack

LIMITS: Final = {
    "counted": "[limits]\nmax_trades_per_day = 2\n",
    "capped": "[limits]\nmax_exposure_pct = 15\n",
    "placed": "[limits]\nmax_positions = 1\n",
}
STOPS: Final = {
    "closer": '[limits]\ndaily_loss_pct = 1\non_stop_out = "close_all"\n[exits]\nstop_loss_pct = "off"\n',
    "blocker": '[limits]\nmax_drawdown_pct = 1\n[exits]\nstop_loss_pct = "off"\n',
}


def _bought(stack: Stack, user: str) -> list[dict[str, str]]:
    return [row for row in stack.reports(user) if row["kind"] == "entry" and row["outcome"] in {"filled", "partial"}]


def test_no_limit_is_exceeded_by_signals_in_quick_succession(tmp_path: Path) -> None:
    """All signals are decided before the first of them has traded: the engine finds room for each."""
    with Stack(tmp_path, list(LIMITS)) as stack:
        for user, settings in LIMITS.items():
            stack.write_user(user, settings)
            stack.open_account(user, USD=10_000)
        stack.price("BTC/USD", "60000")
        stack.price("ETH/USD", "3000")
        stack.executor(list(LIMITS))
        stack.wait_ready(*LIMITS)
        stack.fault("slow_reply", method="AddOrder", count=6, seconds=1)
        for _ in range(2):
            stack.signal("BTC/USD")
            stack.signal("ETH/USD", size="0.2", price="3000")
        stack.engine()
        for user in LIMITS:
            stack.wait_reports(user, 4)

        assert len(_bought(stack, "counted")) == 2
        assert any("limits.max_trades_per_day is 2" in row["reason"] for row in stack.reports("counted"))
        cost = sum(Decimal(row["filled_size"]) * Decimal(row["average_price"]) for row in _bought(stack, "capped"))
        assert Decimal(1400) < cost <= Decimal(1500)
        assert any("limits.max_exposure_pct 15" in row["reason"] for row in stack.reports("capped"))
        assert len({row["symbol"] for row in _bought(stack, "placed")}) == 1
        assert any("limits.max_positions is 1" in row["reason"] for row in stack.reports("placed"))


def _stopped(stack: Stack, user: str) -> bool:
    return int(stack.client.xlen(keys.stopouts(user))) == 1


def test_a_loss_by_copying_stops_out_and_a_deposit_hides_nothing(tmp_path: Path) -> None:
    with Stack(tmp_path, list(STOPS)) as stack:
        for user, settings in STOPS.items():
            stack.write_user(user, settings)
            stack.open_account(user, USD=5000)
        stack.price("BTC/USD", "60000")
        stack.executor(list(STOPS))
        stack.engine()
        stack.wait_ready(*STOPS)
        stack.signal(size="0.04")  # 1,200 of each 5,000
        for user in STOPS:
            assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"
            stack.post("/paper/deposit", {"user": user, "venue": "kraken", "asset": "USD", "amount": "200"})
        stack.price("BTC/USD", "55000")  # 100 of 5,200, with the fees
        for user in STOPS:
            wait_for(partial(_stopped, stack, user), 20, f"{user} is stopped out")
        closed = stack.wait_reports("closer", 2)[1]
        assert closed["outcome"] == "filled"
        assert closed["reason"].startswith("stop_out: until ")
        stack.price("BTC/USD", "60000")  # a stop-out is not lifted by the price
        refused = stack.signal(size="0.01")
        for user in STOPS:
            wait_for(lambda user=user: stack.reports(user)[-1]["signal_id"] == refused, 20, "decided")  # type: ignore[misc]
            assert stack.reports(user)[-1]["outcome"] == "skipped"
            assert "stopped out until" in stack.reports(user)[-1]["reason"]
            assert int(str(stack.client.hget(keys.risk(user, "kraken"), "stopped_until"))) > time.time() * 1000
        assert len(stack.reports("blocker")) == 2  # what it holds stays


def test_deposit_between_entry_and_exit(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice"]) as stack:
        stack.open_account("alice", USD=5000, BTC=1)
        stack.price("BTC/USD", "60000")
        stack.executor()
        stack.engine()
        stack.wait_ready("alice")
        stack.signal(size="0.01")
        bought = Decimal(stack.wait_reports("alice", 1)[0]["filled_size"])
        for asset, amount in (("USD", "20000"), ("BTC", "0.5")):
            stack.post("/paper/deposit", {"user": "alice", "venue": "kraken", "asset": asset, "amount": amount})
        stack.signal(kind="exit", fraction="0.37")
        first = Decimal(stack.wait_reports("alice", 2)[1]["filled_size"])
        assert first == bought * Decimal("0.37")
        stack.post("/paper/withdraw", {"user": "alice", "venue": "kraken", "asset": "USD", "amount": "15000"})
        stack.signal(kind="exit", fraction="1")
        assert Decimal(stack.wait_reports("alice", 3)[2]["filled_size"]) == bought - first
        balances = stack.get("/paper/accounts/alice/kraken")["balances"]["BTC"]
        assert Decimal(balances["total"] if isinstance(balances, dict) else balances) == Decimal("1.5")
