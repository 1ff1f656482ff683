"""The daily summary counts what the commands count, of trades that real processes made."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC
from pathlib import Path

import pytest

from services.notifier.rules.wording import Words
from services.notifier.summary.figures import Figures, read_figures
from services.notifier.summary.text import write_summary
from shared.bus.connection import open_bus
from shared.config.settings import Mode
from shared.config.users.loader import load_users
from tests.support.copies import now_ms
from tests.support.ops_command import run_ops
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(240)

USERS = ("alice", "bob")


async def _figures(stack: Stack, end: int) -> Figures:
    async with open_bus(stack.redis.url, "test") as bus:
        return await read_figures(bus, load_users(stack.config), 0, end)


def test_copied_filled_skipped_and_failed_are_those_of_the_commands(tmp_path: Path) -> None:
    with Stack(tmp_path, USERS) as stack:
        stack.price("BTC/USD", "60000")
        stack.open_account("alice", USD=5_000)
        stack.open_account("bob", USD=150)  # too small for some
        stack.executor(capacity=9)
        stack.engine()
        stack.wait_ready(*USERS)
        stack.fault("refused_with", user="alice", method="AddOrder", count=1, error="EOrder:Insufficient funds")
        for number, size in enumerate(("0.01", "0.02", "0.003", "0.03"), 1):
            stack.signal(size=size)
            for user in USERS:
                stack.wait_reports(user, number)
        stack.signal(kind="exit", size="0.02", fraction="1")
        for user in USERS:
            stack.wait_reports(user, 5)
        figures = asyncio.run(_figures(stack, now_ms() + 60_000))
        audit = run_ops(stack, "audit", "--json", "--grace", "0").json
        shown = {user: run_ops(stack, "why", "--user", user, "--last", "20", "--json").json for user in USERS}
        title, body = write_summary(Words(Mode.PAPER, UTC), figures, {}, {}, [])

        assert figures.signals == audit["signals"] == 5
        found = figures.users
        outcomes: Counter[str] = Counter()
        for user in USERS:
            each, reports = found[user], stack.reports(user)
            said = Counter(report["outcome"] for report in reports)
            outcomes.update(said)
            assert each.filled == said["filled"] + said["partial"]
            assert each.failed == said["rejected"] + said["failed"] + said["expired"]
            assert sum(each.skipped.values()) == said["skipped"]
            assert each.copied == sum(row["decision"] == "copy" for row in stack.orders(user))
            rows = [each for trace in shown[user]["signals"] for each in trace["users"]]
            assert Counter(row["outcome"] for row in rows) == said
        assert (found["alice"].failed, found["bob"].skipped.total() > 0) == (1, True)
        assert Counter(audit["outcomes"]) == outcomes
        filled = outcomes["filled"] + outcomes["partial"]
        assert title == f"PAPER Shoal: daily summary: 5 signals, {filled} orders filled"
        assert f"alice: {found['alice'].copied} copied, {found['alice'].filled} filled" in body
