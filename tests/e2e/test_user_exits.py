"""The user's own exits on real processes: by price and time, without master and engine, through crashes and races."""

from __future__ import annotations

import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from shared.contracts import keys
from tests.support.paper_control import WORDS
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

EACH_VENUE: Final = pytest.mark.parametrize("venue", list(WORDS))
RULES: Final = {
    "alice": "",  # the default: stop loss at 5 %
    "taker": "[exits]\ntake_profit_pct = 3\n",
    "trailer": "[exits]\ntrailing_pct = 4\n",
    "holder": '[exits]\nmax_hold = "5s"\n',
}


def _sold(stack: Stack, user: str) -> Decimal:
    rows = [row for row in stack.venue_orders(user) if row["side"] == "sell"]
    return sum((Decimal(row["filled_size"] or 0) for row in rows), Decimal(0))


def _closed(stack: Stack, user: str) -> bool:
    closes = [row for row in stack.reports(user) if row["signal_id"] and row["kind"] == "exit"]
    return bool(closes) and not stack.held(user)


def _ended(service: Service) -> bool:
    return not service.running


def _nothing_noted(stack: Stack, user: str) -> bool:
    return not stack.client.hgetall(keys.own_exits(user, stack.venue))


def _balance(stack: Stack, user: str, asset: str) -> Decimal:
    found = stack.get(f"/paper/accounts/{user}/{stack.venue}")["balances"].get(asset, "0")
    return Decimal(found["total"] if isinstance(found, dict) else found)


@EACH_VENUE
def test_master_dies_users_still_exit(tmp_path: Path, venue: str) -> None:
    with Stack(tmp_path, list(RULES), venue=venue) as stack:
        for user, settings in RULES.items():
            stack.write_user(user, settings)
            stack.open_account(user, USD=5000, BTC=1)
        stack.price("BTC/USD", "60000")
        stack.executor(list(RULES))
        engine = stack.engine()
        stack.wait_ready(*RULES)
        stack.signal()
        for user in RULES:
            assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"
        engine.kill()  # nobody emits, nobody decides any more

        held_for = stack.wait_reports("holder", 2)[1]
        assert held_for["reason"].startswith("max_hold: held for ")
        stack.price("BTC/USD", "63000")
        assert stack.wait_reports("taker", 2)[1]["reason"].startswith("take_profit: 63000 USD is 3 % or more above ")
        stack.price("BTC/USD", "59900")  # 4.9 % below the highest price, and above the stop
        assert "below the highest price 63000 USD" in stack.wait_reports("trailer", 2)[1]["reason"]
        assert len(stack.reports("alice")) == 1
        stack.price("BTC/USD", "57000")
        assert stack.wait_reports("alice", 2)[1]["reason"].startswith("stop_loss: 57000 USD is 5 % or more below ")

        for user in RULES:
            report = stack.reports(user)[1]
            assert (report["outcome"], report["signal_id"], report["kind"]) == ("filled", "", "exit")
            assert _balance(stack, user, "BTC") == 1  # what Shoal did not buy is not sold
            assert stack.held(user) == {}
            assert _nothing_noted(stack, user)
            assert len(stack.venue_orders(user)) == 2
        assert Decimal(str(stack.client.hget(keys.risk("taker", venue), "realized"))) > 0
        assert Decimal(str(stack.client.hget(keys.risk("alice", venue), "realized"))) < 0


@EACH_VENUE
def test_stop_and_master_close_race(tmp_path: Path, venue: str) -> None:
    users = [f"user-{number}" for number in range(6)]
    with Stack(tmp_path, users, venue=venue) as stack:
        for user in users:
            stack.open_account(user, USD=5000, BTC=1)
        stack.price("BTC/USD", "60000")
        stack.executor(users)
        stack.engine()
        stack.wait_ready(*users)
        stack.signal()
        for user in users:
            stack.wait_reports(user, 1)
        stack.fault("slow_reply", method=WORDS[venue].places, count=3, seconds=1)
        stack.price("BTC/USD", "56000")
        time.sleep(0.7)  # some have seen it by now
        stack.signal(kind="exit", fraction="1")
        for user in users:
            wait_for(partial(_closed, stack, user), 20, "sold, and the master's close is over")
        for user in users:
            exits = [row for row in stack.reports(user) if row["kind"] == "exit"]
            assert sorted(row["outcome"] for row in exits) in (["filled"], ["filled", "skipped"])
            assert _sold(stack, user) == Decimal(stack.reports(user)[0]["filled_size"])
            assert _balance(stack, user, "BTC") == 1
        assert stack.invalid_nonces() == []


@EACH_VENUE
@pytest.mark.timeout(90)
def test_an_own_exit_survives_the_death_of_its_executor(tmp_path: Path, venue: str) -> None:
    steps = {"reply": "executor-after-reply:2", "ack": "executor-before-ack:2"}
    with Stack(tmp_path, list(steps), venue=venue) as stack:
        for user in steps:
            stack.open_account(user, USD=5000, BTC=1)
        stack.price("BTC/USD", "60000")
        doomed = [
            stack.start("executor", "services.executor", EXECUTOR_USERS=user, DEBUG_DIE_AT=step)
            for user, step in steps.items()
        ]
        stack.engine()
        stack.wait_ready(*steps)
        stack.signal()
        for user in steps:
            stack.wait_reports(user, 1)
        stack.price("BTC/USD", "57000")
        for service in doomed:
            wait_for(partial(_ended, service), 15, "it dies in its own exit")
        for user in steps:
            stack.client.delete(keys.lease(user))  # as if the time of the dead owner's lease had passed
        stack.executor(list(steps))
        for user in steps:
            report = stack.wait_reports(user, 2)[1]
            assert (report["outcome"], report["signal_id"]) == ("filled", "")
            assert report["reason"].startswith("stop_loss: ")
            wait_for(partial(_nothing_noted, stack, user), 30, "it is over")
            assert _sold(stack, user) == Decimal(stack.reports(user)[0]["filled_size"])
            assert _balance(stack, user, "BTC") == 1
        assert stack.invalid_nonces() == []
