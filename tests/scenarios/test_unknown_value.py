"""Equity that is not fully known, on real processes and by real balances of the venue. Case D1, kind "Unknown value"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import krakenex
import pytest

from shared.contracts import keys
from tests.support.processes import wait_for
from tests.support.stack import Stack


@contextmanager
def copying(folder: Path, masters: Mapping[str, str | int]) -> Iterator[Stack]:
    """Run a master with these balances who trades by hand, and alice, who has 5,000 dollars."""
    with Stack(folder, ["alice"]) as stack:
        stack.open_account("alice", USD=5_000)
        stack.open_account("master", **masters)  # type: ignore[arg-type]  # no balance is called tier
        stack.price("BTC/USD", "60000")
        (stack.config / "strategy.toml").write_text('symbols = ["ETH/USD"]\n')  # what it trades by itself is not judged
        stack.price("ETH/USD", "3000")
        stack.executor()
        stack.start("master-strategy", "services.master_strategy")
        stack.engine()
        stack.wait_ready("alice", "master")
        yield stack


def bought_by_hand(stack: Stack, volume: str) -> dict[str, str]:
    """Buy on the master's account with a second key, as a person does, and give what was decided for alice."""
    key = stack.post("/paper/accounts", {"user": "master", "venue": "kraken"})
    client = krakenex.API(key["api_key"], key["api_secret"])
    client.uri = f"http://127.0.0.1:{stack.paper_port}"
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": volume}
    assert client.query_private("AddOrder", order)["error"] == []
    wait_for(lambda: decided(stack) != [], 60, "it is copied or skipped")
    return decided(stack)[0]


def decided(stack: Stack) -> list[dict[str, str]]:
    return [row for row in stack.orders("alice") if row["symbol"] == "BTC/USD" and row["kind"] == "entry"]


@pytest.mark.timeout(180)
def test_equity_that_is_not_fully_known_skips(tmp_path: Path) -> None:
    with copying(tmp_path, {"USD": 1_000, "XYZ": 9_000}) as stack:
        row = bought_by_hand(stack, "0.005")
        assert row["decision"] == "skip"
        assert row["reason"] == "the master's equity is not fully known: no price for 9,000 XYZ"
        assert row["master_equity"] == ""
        assert stack.venue_orders("alice") == []
        assert stack.client.hget(keys.account("master", "kraken"), "reason") == "no price for 9,000 XYZ"


@pytest.mark.timeout(180)
def test_what_the_master_has_staked_counts_in_its_equity(tmp_path: Path) -> None:
    with copying(tmp_path, {"USD": 1_000, "BTC.F": "0.15"}) as stack:
        row = bought_by_hand(stack, "0.005")
        assert row["decision"] == "copy", row["reason"]
        assert Decimal("9900") < Decimal(row["master_equity"]) < Decimal("10100")
        assert Decimal("0.00245") < Decimal(row["base_size"]) < Decimal("0.00255")  # 150 dollars for the master's 300
