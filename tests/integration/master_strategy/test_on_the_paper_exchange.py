"""The real process on the paper exchange: judged by what the exchange saw."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import keys
from shared.domain.values.venue import VENUES
from tests.support.paper_control import WORDS
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

_FAST = 'strategy = "sma-cross"\nsymbols = ["BTC/USD", "ETH/USD"]\nentry_gap_seconds = 0\npoll_seconds = 0.2\n'


at_each_venue = pytest.mark.parametrize("venue", VENUES)


def _master(stack: Stack, settings: str = "") -> Service:
    (stack.config / "strategy.toml").write_text(_FAST + settings)
    return stack.start("master", "services.master_strategy")


def _signals(stack: Stack) -> list[dict[str, str]]:
    rows: Any = stack.client.xrange(keys.SIGNALS)
    return [fields for _, fields in rows]


@at_each_venue
def test_every_fill_is_told_once_through_kills_of_the_master(tmp_path: Path, venue: str) -> None:
    with Stack(tmp_path, price_speed=240, venue=venue) as stack:
        stack.open_account("master", USD=100_000)
        for round_ in range(1, 4):
            master = _master(stack)
            wait_for(lambda least=4 * round_: len(_signals(stack)) >= least, 40, f"{4 * round_} signals")  # type: ignore[misc]
            master.kill()
            stack.client.delete(keys.lease("master"))  # its owner is dead; spares the test the wait for the end of it
        stack.post("/paper/clock", {"speed": 0})
        master = _master(stack)
        wait_for(lambda: "TRADING" in master.log_path.read_text(), 30, "the last master trades")
        wait_for(lambda: _all_told(stack), 30, "every fill is told")
        assert master.stop() == 0
        assert not stack.invalid_nonces()
        told = _signals(stack)
        assert len({signal["id"] for signal in told}) == len(told)


@at_each_venue
def test_lost_replies_give_one_order_and_one_signal_each(tmp_path: Path, venue: str) -> None:
    with Stack(tmp_path, price_speed=240, venue=venue) as stack:
        stack.open_account("master", USD=100_000)
        for fault in ("processed_then_reply_dropped", "502_after_accept", "truncated_json"):
            stack.fault(fault, user="master", method=WORDS[venue].places, count=1)
        master = _master(stack)
        wait_for(lambda: len(_signals(stack)) >= 5, 60, "five signals")
        stack.post("/paper/clock", {"speed": 0})
        wait_for(lambda: _all_told(stack), 30, "every fill is told")
        assert "outcome unknown" in master.log_path.read_text()
        client_ids = [order["client_order_id"] for order in stack.venue_orders("master")]
        assert len(set(client_ids)) == len(client_ids)
        assert len({signal["id"] for signal in _signals(stack)}) == len(_signals(stack))


def test_an_account_at_each_venue_one_key_refused_and_the_process_killed(tmp_path: Path) -> None:
    """The strategy trades at Coinbase; Kraken is mirrored once its key works, and holds up nothing before."""
    with Stack(tmp_path, price_speed=240) as stack:
        stack.open_account("master", venue="coinbase", USD=100_000)
        stack.keys["master"] = ("PAPERunknownkey", "c2VjcmV0LW9mLW5vYm9keQ==")
        for round_ in range(1, 3):
            master = _master(stack, 'venue = "coinbase"\n')
            wait_for(lambda least=4 * round_: len(_signals(stack)) >= least, 60, f"{4 * round_} signals")  # type: ignore[misc]
            assert stack.client.hget(keys.account("master", "kraken"), "state") == "parked"
            master.kill()
            stack.client.delete(keys.lease("master"))
        stack.post("/paper/clock", {"speed": 0})
        stack.open_account("master", venue="kraken", USD=100_000)
        master = _master(stack, 'venue = "coinbase"\n')
        mirrored = "MASTER ACCOUNT: TRADING (Broker: KRAKEN)"
        wait_for(lambda: mirrored in master.log_path.read_text(), 60, "the other account is mirrored")
        wait_for(lambda: _all_told(stack), 60, "every fill is told")
        assert {signal["venue"] for signal in _signals(stack)} == {"coinbase"}
        log = master.log_path.read_text()
        assert log.index("MASTER ACCOUNT: TRADING (Broker: COINBASE)") < log.index(mirrored)
        assert len({signal["id"] for signal in _signals(stack)}) == len(_signals(stack))


def _all_told(stack: Stack) -> bool:
    filled = {order["order_id"]: Decimal(str(order["filled_size"])) for order in _filled(stack)}
    told: dict[str, Decimal] = {}
    for signal in _signals(stack):
        order = signal["master_order_id"]
        told[order] = told.get(order, Decimal(0)) + Decimal(signal["base_size"])
    return told == filled


def _filled(stack: Stack) -> list[dict[str, Any]]:
    return [order for order in stack.venue_orders("master") if Decimal(str(order["filled_size"])) > 0]


@at_each_venue
def test_the_log_says_in_a_plain_line_that_the_master_trades_and_never_a_secret(tmp_path: Path, venue: str) -> None:
    with Stack(tmp_path, price_speed=60, venue=venue) as stack:
        stack.open_account("master", USD=100_000)
        master = _master(stack)
        wait_for(lambda: _signals(stack), 30, "a first signal")
        first = _signals(stack)[0]["id"]
        wait_for(lambda: len(re.findall(first, master.log())) >= 2, 10, "the signal's id is on the lines of its path")
        assert master.stop() == 0
        log = master.log_path.read_text()
        assert f"MASTER ACCOUNT: TRADING (Broker: {venue.upper()})" in log
        assert "MASTER (full strategy)" in log
        for secret in stack.keys["master"]:
            assert secret not in log
        assert stack.client.hget(keys.account("master", venue), "state") == "connecting"


def test_a_key_that_the_venue_refuses_parks_the_master_and_does_not_end_it(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        stack.keys["master"] = ("PAPERunknownkey", "c2VjcmV0LW9mLW5vYm9keQ==")
        master = _master(stack)
        wait_for(lambda: stack.client.hget(keys.account("master", "kraken"), "state") == "parked", 30, "it is parked")
        assert "Invalid key" in str(stack.client.hget(keys.account("master", "kraken"), "reason"))
        assert master.running


def test_a_missing_key_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        master = _master(stack)
        assert master.wait(20) == 2
        log = master.log_path.read_text()
        assert log.startswith("master-strategy: KRAKEN_MASTER_API_KEY is not set")
        assert log.count("\n") == 1
