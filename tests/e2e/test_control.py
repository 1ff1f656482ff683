"""The operator's switches on real processes: durable, read before every send, and what each lets through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, Final

import pytest

from shared.contracts import keys
from tests.support.paper_control import WORDS
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

USERS: Final = ("alice", "bob", "carol")
ABROAD: Final = '[follow]\nkraken = "coinbase"\n'
"""Carol's: she copies the master of Kraken on her account at Coinbase."""
PRICES: Final = {"BTC/USD": "60000", "ETH/USD": "3000", "SOL/USD": "150", "LTC/USD": "80", "XRP/USD": "2"}


@pytest.fixture(scope="module")
def shoal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Three users of two venues at two executors; every test has a symbol of its own."""
    with Stack(tmp_path_factory.mktemp("control"), USERS, venues={"carol": ("coinbase",)}) as stack:
        stack.write_user("carol", ABROAD)
        for user in USERS:
            stack.open_account(user, USD=5000)
        for symbol, price in PRICES.items():
            stack.price(symbol, price)
        _start(stack)
        yield stack


@pytest.fixture
def stack(shoal: Stack) -> Iterator[Stack]:
    """The same stack, with nothing switched off before and after."""
    _switch(shoal, "run")
    yield shoal
    _switch(shoal, "run")


def _start(stack: Stack) -> list[Service]:
    started = [stack.executor(USERS[:2]), stack.executor(USERS[2:]), stack.engine()]
    stack.wait_ready(*USERS)
    prices = keys.prices("coinbase")  # they bound carol's entries
    wait_for(lambda: all(stack.client.hexists(prices, symbol) for symbol in PRICES), 60, "prices are published")
    return started


def _switch(stack: Stack, mode: str, key: str = keys.CONTROL) -> None:
    stack.client.hset(key, mapping={"mode": mode, "reason": "a test", "by": "tester", "at": str(_now())})


def _now() -> int:
    return time.time_ns() // 1_000_000


def _report(stack: Stack, user: str, signal_id: str) -> dict[str, str]:
    def found() -> list[dict[str, str]]:
        return [row for row in stack.reports(user) if row["signal_id"] == signal_id]

    wait_for(found, 30, f"a report of {user} on {signal_id}")
    return found()[0]


def _own(stack: Stack, user: str, symbol: str) -> list[dict[str, str]]:
    return [row for row in stack.reports(user) if not row["signal_id"] and row["symbol"] == symbol]


def test_close_only_lets_exits_through(stack: Stack) -> None:
    entry = stack.signal("ETH/USD", size="0.5", price="3000")
    assert {_report(stack, user, entry)["outcome"] for user in USERS} == {"filled"}
    _switch(stack, "close_only")
    refused = stack.signal("ETH/USD", size="0.5", price="3000")
    close = stack.signal("ETH/USD", kind="exit", price="3000", fraction="1")
    for user in USERS:
        assert _report(stack, user, refused)["reason"] == "close_only is set: a test"
        assert _report(stack, user, close)["outcome"] == "filled"


def test_flatten_reaches_every_account(stack: Stack) -> None:
    entries = [stack.signal("BTC/USD"), stack.signal("SOL/USD", size="5", price="150")]
    for user in USERS:
        assert {_report(stack, user, entry)["outcome"] for entry in entries} == {"filled"}
    _switch(stack, "flatten", keys.control_of_symbol("SOL/USD"))
    for user in USERS:
        wait_for(partial(_own, stack, user, "SOL/USD"), 20, f"{user}'s SOL is sold")
        assert _own(stack, user, "BTC/USD") == []
    _switch(stack, "flatten")
    for user in USERS:
        wait_for(partial(_own, stack, user, "BTC/USD"), 20, f"{user}'s BTC is sold")
        for symbol in ("BTC/USD", "SOL/USD"):
            (report,) = _own(stack, user, symbol)
            assert report["outcome"] == "filled"
            assert report["reason"].startswith("flatten: a test; filled ")
        assert stack.held(user) == {}
    refused = stack.signal("BTC/USD")
    assert {_report(stack, user, refused)["reason"] for user in USERS} == {"flatten is set: a test"}
    _switch(stack, "run", keys.control_of_symbol("SOL/USD"))


def test_kill_switch_mid_fanout(stack: Stack) -> None:
    """The venue holds replies back, so that orders of every user wait in their lanes when the switch is thrown."""
    for words in WORDS.values():
        stack.fault("slow_reply", method=words.places, count=12, seconds=0.4)
    signals = [stack.signal("LTC/USD", size=size, price="80") for size in ("4", "5", "6")]
    signals += [stack.signal("XRP/USD", size=str(size), price="2") for size in range(100, 110)]
    wait_for(lambda: any(_bought(stack, user) for user in USERS), 20, "the fan-out is under way")
    _switch(stack, "halt")
    thrown = time.time()
    for user in USERS:
        outcomes = {_report(stack, user, each)["outcome"] for each in signals}
        assert outcomes == {"filled", "skipped"}
        assert all(row["accepted_at"] < _as(row, thrown + 1) for row in _bought(stack, user))


def _bought(stack: Stack, user: str) -> list[dict[str, Any]]:
    return [row for row in stack.venue_orders(user) if row["side"] == "buy" and row["symbol"] in {"LTC/USD", "XRP/USD"}]


def _as(row: dict[str, Any], seconds: float) -> float:
    """Return an instant in the unit of the exchange's rows."""
    return seconds * 1000 if float(row["accepted_at"]) > 10**11 else seconds


def test_pause_survives_restart(stack: Stack) -> None:
    entry = stack.signal("ETH/USD", size="0.5", price="3000")
    assert {_report(stack, user, entry)["outcome"] for user in USERS} == {"filled"}
    _switch(stack, "pause")
    for service in stack.services:
        if service.name != "paper-exchange" and service.running:
            service.stop()
    stack.redis.kill()
    stack.redis.start()
    _start(stack)
    refused = stack.signal("ETH/USD", size="0.5", price="3000")
    close = stack.signal("ETH/USD", kind="exit", price="3000", fraction="1")
    for user in USERS:
        assert _report(stack, user, refused)["reason"] == "pause is set: a test"
        assert Decimal(_report(stack, user, close)["filled_size"]) > 0
