"""No candle costs more because of those before it: the calls of a run grow with the candles, not faster."""

from __future__ import annotations

import sys
from types import FrameType

from shared.backtest.backtest import run_backtest
from shared.strategies.sma_cross import SmaCross, SmaCrossSettings
from tests.support.backtests import BTC, flat_candles, scenario, user


def calls(rounds: int) -> int:
    """Count the Python calls of a run over so many rounds of the same 40 prices, with trades in each round."""
    prices = [100 + abs(number % 40 - 20) for number in range(40 * rounds)]
    run = scenario(
        SmaCross(SmaCrossSettings(fast=2, slow=5)), {BTC: flat_candles(*prices)}, users=[user("alice", 5000)]
    )
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        result = run_backtest(run)
    finally:
        sys.setprofile(before)
    assert result.accounts[1].figures.trades >= rounds - 1
    return count


def test_a_run_of_four_times_as_many_candles_makes_four_times_as_many_calls() -> None:
    short, long = calls(25), calls(100)
    assert long < 4.2 * short
