"""What an action announces is what then happens at the paper exchange: numbers, who is concerned, and what goes on."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match, wait_outcomes
from tests.support.ports import free_port
from tests.support.processes import wait_for
from tests.support.stack import Stack

USERS: Final = ("alice", "cole")
TOLERANCE: Final = Decimal("0.01")
"""Of a value that was announced: between it and the market are the spread, the fee and what the price does meanwhile."""


class Operated(Stack):
    """A stack with an API, to which a program speaks that may do everything."""

    def operate(self) -> None:
        """Start the API and make the program's token."""
        self.api_port = free_port()
        self.start("api", "services.api", API_PORT=str(self.api_port))
        self.token = run_ops(self, "token", "robot", "--role", "operator", "--json").json["token"]
        wait_for(lambda: self.ask("GET", "/status")[0] == 200, 60, "the api answers")

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, Any]:
        """Send a request of the program; return status and JSON."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.api_port}{path}"
        request = urllib.request.Request(url, data, headers, method=method)  # built right here
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # built right here
                return answer.status, json.loads(answer.read())
        except (urllib.error.HTTPError, urllib.error.URLError) as error:
            return getattr(error, "code", 0), {}

    def do(self, action: str, reason: str, **more: str) -> dict[str, Any]:
        """Ask what an action would do, and do it; return what was announced."""
        status, shown = self.ask("GET", f"/actions/{action}?{urlencode(more)}")
        assert status == 200, shown
        status, done = self.ask("POST", f"/actions/{action}", {**more, "token": shown["token"], "reason": reason})
        assert (status, done["text"], done["repeated"]) == (200, shown["text"], False)
        return dict(shown)

    def both(self, symbol: str, **more: str) -> dict[str, dict[str, str]]:
        """Emit one signal at each venue, and return each user's outcome."""
        signal = self.signal_at_each(symbol, **more)
        found = wait_outcomes(self, list(USERS), signal)
        return {user: next(iter(rows.values())) for user, rows in found.items()}

    def own_exits(self, user: str) -> list[dict[str, str]]:
        """Read the exits that no signal led to."""
        return [row for row in self.reports(user) if not row["signal_id"]]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Operated]:
    """alice at Kraken and cole at Coinbase, who both hold two coins."""
    with Operated(tmp_path, USERS, venues={"cole": ("coinbase",)}) as made:
        for user in USERS:
            made.open_account(user, USD=5000)
        for symbol, price in (("BTC/USD", "60000"), ("ETH/USD", "3000")):
            made.price(symbol, price)
        made.executor(capacity=5)
        made.engine()
        made.wait_ready(*USERS)
        made.operate()
        for symbol, size, price in (("BTC/USD", "0.02", "60000"), ("ETH/USD", "0.2", "3000")):
            assert {row["outcome"] for row in made.both(symbol, size=size, price=price).values()} == {"filled"}
        yield made


def _outcomes(found: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {user: row["outcome"] for user, row in found.items()}


def test_each_action_does_what_it_has_announced(stack: Operated) -> None:
    shown = stack.do("pause", "news", user="alice")
    assert shown["text"] == "pauses alice: no entries; exits go on"
    found = stack.both("ETH/USD", size="0.1", price="3000")
    assert (_outcomes(found), found["alice"]["reason"]) == (
        {"alice": "skipped", "cole": "filled"},
        "pause is set: news",
    )
    assert _outcomes(stack.both("ETH/USD", kind="exit", fraction="0.5")) == dict.fromkeys(USERS, "filled")

    assert stack.do("resume", "calm", user="alice")["text"] == "lets alice trade again: entries and exits go on"
    assert _outcomes(stack.both("ETH/USD", size="0.1", price="3000")) == dict.fromkeys(USERS, "filled")

    halted = stack.do("halt", "a test")
    assert halted["text"].startswith("halts 2 users: nothing is sent, exits included; 4 positions, about ")
    sent = {user: len(stack.venue_orders(user)) for user in USERS}
    refused = stack.both("ETH/USD", size="0.1", price="3000")
    assert _outcomes(refused) == dict.fromkeys(USERS, "skipped")
    waiting = stack.signal_at_each("ETH/USD", kind="exit", fraction="0.5")
    assert {user: len(stack.venue_orders(user)) for user in USERS} == sent
    stack.do("resume", "")
    ended = wait_outcomes(stack, list(USERS), waiting)
    assert {row["outcome"] for rows in ended.values() for row in rows.values()} == {"filled"}

    kept = stack.held("alice")
    shown = stack.do("flatten", "he asked", user="cole")
    assert shown["text"].startswith("sells 2 positions of cole, about ")
    wait_for(lambda: stack.held("cole") == {}, 60, "cole's copies are sold")
    sold = stack.own_exits("cole")
    assert len(sold) == len(shown["details"]) == int(shown["figures"]["positions"]) == 2
    proceeds = sum(Decimal(row["filled_size"]) * Decimal(row["average_price"]) for row in sold)
    announced = Decimal(shown["figures"]["value USD"])
    assert abs(proceeds - announced) <= announced * TOLERANCE, (proceeds, announced)
    assert {row["reason"].partition(";")[0] for row in sold} == {"flatten: he asked"}
    assert (stack.held("alice"), stack.own_exits("alice")) == (kept, [])

    status, log = stack.ask("GET", "/control-log")
    assert status == 200
    assert [(each["action"], each["of"], each["by"], each["reason"]) for each in log[::-1]] == [
        ("pause", "alice", "token robot", "news"),
        ("resume", "alice", "token robot", "calm"),
        ("halt", "everybody", "token robot", "a test"),
        ("resume", "everybody", "token robot", ""),
        ("flatten", "cole", "token robot", "he asked"),
    ]
    for user in USERS:
        assert_books_match(stack, user)


def test_who_leaves_while_an_order_is_in_doubt_leaves_nothing_behind(stack: Operated) -> None:
    """`ops user remove` waits for the order's end, and sells what it bought."""
    for user in USERS:
        stack.fault("processed_then_reply_dropped", user=user, method=stack.words(user).places, count=1)
    stack.signal_at_each("BTC/USD", size="0.02", price="60000")
    for user in USERS:
        ran = run_ops(stack, "user", "remove", user, "--flatten", "--yes", "--wait", "90", "--json")
        assert (ran.code, ran.json["removed"], ran.json["held"]) == (0, True, ""), ran.out + ran.err
        balances = stack.get(f"/paper/accounts/{user}/{stack.venues_of(user)[0]}")["balances"]
        assert {asset for asset, amount in balances.items() if Decimal(amount)} <= {"USD", "USDC"}, balances
        assert_books_match(stack, user)
    audit = run_ops(stack, "audit", "--json", "--grace", "0")
    assert (audit.code, audit.json["duplicates"]) == (0, 0), audit.out + audit.err
