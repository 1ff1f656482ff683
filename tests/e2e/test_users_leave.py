"""Users' files change while everything runs: settings are taken over, users come, and leave the way they have set."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from shared.contracts import keys
from tests.support.processes import wait_for
from tests.support.stack import Stack

LEAVING: Final = {"keeper": "keep", "exiter": "exits_only", "closer": "close_now", "remover": "close_now"}


def _holds(stack: Stack, user: str) -> bool:
    return bool(stack.client.hgetall(keys.positions(user, "kraken")))


def _served(stack: Stack, user: str) -> bool:
    return bool(stack.client.exists(keys.lease(user)))


def _let_go(stack: Stack, user: str) -> bool:
    return not _served(stack, user)


def test_users_come_change_and_leave_without_a_restart(tmp_path: Path) -> None:
    users = ["alice", *LEAVING]
    with Stack(tmp_path, users) as stack:
        for user, rule in LEAVING.items():
            stack.write_user(user, f'on_leave = "{rule}"\n')
        for user in (*users, "late"):
            stack.open_account(user, USD=5000)
        stack.price("BTC/USD", "60000")
        executor = stack.executor(capacity=9)
        stack.engine()
        stack.wait_ready(*users)
        stack.signal()
        for user in users:
            assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"

        for user in ("keeper", "exiter", "closer"):
            stack.write_user(user, f'enabled = false\non_leave = "{LEAVING[user]}"\n')
        (stack.config / "users" / "remover.toml").unlink()
        stack.write_user("alice", "[exits]\nstop_loss_pct = 2\n")
        stack.write_user("late", "")
        for user in ("closer", "remover"):
            report = stack.wait_reports(user, 2)[1]
            assert (report["outcome"], report["signal_id"]) == ("filled", "")
            assert report["reason"].startswith(f"on_leave: {user} follows no more; filled ")
        for user in ("keeper", "closer", "remover"):
            wait_for(partial(_let_go, stack, user), 10, f"{user} is let go of")
        stack.wait_ready("late")
        assert _holds(stack, "keeper")
        assert _served(stack, "exiter")

        stack.price("BTC/USD", "58500")
        assert stack.wait_reports("alice", 2)[1]["reason"].startswith("stop_loss: 58500 USD is 2 % or more below ")
        stack.price("BTC/USD", "60000")
        stack.signal()
        assert stack.wait_reports("late", 1)[0]["outcome"] == "filled"
        stack.signal(kind="exit", fraction="1")
        closes = [row for row in stack.wait_reports("exiter", 3) if row["outcome"] == "filled"]
        assert sum(Decimal(row["filled_size"]) for row in closes) == Decimal("0.01")
        assert len(stack.venue_orders("exiter")) == 2
        assert len(stack.venue_orders("keeper")) == 1
        assert executor.running
        assert stack.invalid_nonces() == []
