"""Within a candle the worse order of events is assumed, for the master's exit plans and the users' own exits alike."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.backtest.backtest import run_backtest
from shared.backtest.results.result import AccountResult
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Kind, Side
from shared.domain.values.money import ONE
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.port import Enter
from shared.venues.port import Candle
from tests.support.backtests import BTC, START, STEP, Scripted, candle, scenario, user, with_settings

D = Decimal
Sale = tuple[int, object, object]
"""Candle, price, share of the first purchase."""
HALF = D("0.5")
PLAN = ExitPlan(stop=D(90), targets=(Target(D(110), HALF), Target(D(120), ONE)), break_even=D(100), trail=D(5))


def run(plan: ExitPlan | None, *after: Candle, policy: UserPolicy | None = None) -> tuple[AccountResult, ...]:
    """Run: bought at 100 at the open of candle 1, whose prices are the first of `after`."""
    entry = Scripted({0: [Enter(BTC, HALF, "up", plan)]})
    users = [user("alice", 1000, policy or with_settings("alice", exits={"stop_loss_pct": "off"}))]
    candles = [candle(0, 100, 100, 100, 100), *after]
    return tuple(run_backtest(scenario(entry, {BTC: candles}, users=users)).accounts)


def sales(account: AccountResult) -> list[Sale]:
    """Return each sale as candle, price and share of the first purchase."""
    bought = account.fills[0].size.amount
    sold = [fill for fill in account.fills if fill.side is Side.SELL]
    return [((fill.at - START) // STEP, fill.price.amount, fill.size.amount / bought) for fill in sold]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([candle(1, 100, 109, 91, 95)], []),
        ([candle(1, 100, 100, 90, 95)], [(1, 90, 1)]),
        ([candle(1, 100, 125, 90, 125)], [(1, 90, 1)]),
        ([candle(1, 100, 100, 100, 100), candle(2, 80, 85, 70, 85)], [(2, 80, 1)]),
        ([candle(1, 100, 110, 106, 110)], [(1, 110, HALF)]),
        ([candle(1, 100, 110, 100, 110)], [(1, 110, HALF), (1, 105, HALF)]),
        ([candle(1, 100, 121, 118, 121)], [(1, 110, HALF), (1, 120, HALF)]),
        ([candle(1, 100, 100, 100, 100), candle(2, 130, 130, 130, 130)], [(2, 130, 1)]),
        ([candle(1, 100, 112, 108, 110), candle(2, 110, 110, 106, 108)], [(1, 110, HALF), (2, 107, HALF)]),
        ([candle(1, 100, 111, 107, 110), candle(2, 110, 118, 114, 118), candle(3, 112, 112, 111, 112)],
         [(1, 110, HALF), (3, 112, HALF)]),
    ],
    ids=[
        "neither reached", "the stop exactly", "stop and both targets: the stop", "opens below the stop: at the open",
        "the first target, and a low above the raised stop", "the first target, and a low below the raised stop",
        "both targets, each at its own price", "opens above both targets: at the open", "the trailing stop of the high",
        "a stop that a later high has raised, at the open below it",
    ],
)  # fmt: skip
def test_a_plan_within_candles(after: list[Candle], expected: list[Sale]) -> None:
    master, alice = run(PLAN, *after)
    assert sales(master) == expected
    assert sales(alice) == expected  # each of the master's exits is copied, as the same fraction
    assert alice.copied == {Kind.ENTRY: 1, Kind.EXIT: len(expected)}


@pytest.mark.parametrize(
    ("exits", "after", "expected", "rule"),
    [
        ({"stop_loss_pct": 5}, [candle(1, 100, 101, 95, 100)], [(1, 95, 1)], "stop_loss"),
        ({"stop_loss_pct": 5}, [candle(1, 100, 101, 96, 100)], [], ""),
        ({"stop_loss_pct": 5, "take_profit_pct": 4}, [candle(1, 100, 104, 95, 104)], [(1, 95, 1)], "stop_loss"),
        ({"take_profit_pct": 4}, [candle(1, 100, 104, 99, 104)], [(1, 104, 1)], "take_profit"),
        ({"take_profit_pct": 4}, [candle(1, 100, 100, 100, 100), candle(2, 107, 107, 105, 105)], [(2, 107, 1)], "take_profit"),
        ({"trailing_pct": 10}, [candle(1, 100, 110, 99, 109)], [(1, 99, 1)], "trailing"),
        ({"trailing_pct": 10}, [candle(1, 100, 110, 100, 109)], [], ""),
        ({"trailing_pct": 10}, [candle(1, 100, 110, 100, 109), candle(2, 109, 109, 98, 98)], [(2, 99, 1)], "trailing"),
        ({"max_hold": "10m"}, [candle(number, 100, 100, 100, 100) for number in (1, 2, 3)], [(3, 100, 1)], "max_hold"),
    ],
)  # fmt: skip
def test_a_users_own_exits(exits: dict[str, object], after: list[Candle], expected: list[Sale], rule: str) -> None:
    policy = with_settings("alice", exits={"stop_loss_pct": "off", **exits})
    master, alice = run(None, *after, policy=policy)
    assert sales(master) == []
    assert sales(alice) == expected
    assert alice.own_exits == ({rule: 1} if rule else {})


def test_a_users_stop_above_the_masters_comes_first_and_one_below_is_overtaken() -> None:
    tight = with_settings("alice", exits={"stop_loss_pct": 4})
    master, alice = run(PLAN, candle(1, 100, 100, 85, 85), policy=tight)
    assert (sales(master), sales(alice)) == ([(1, 90, 1)], [(1, 96, 1)])
    assert [(skip.kind, skip.code) for skip in alice.skips] == [(Kind.EXIT, "nothing_held")]
    wide = with_settings("alice", exits={"stop_loss_pct": 20})
    master, alice = run(PLAN, candle(1, 100, 100, 70, 70), policy=wide)
    assert (sales(master), sales(alice)) == ([(1, 90, 1)], [(1, 90, 1)])
    assert alice.own_exits == {}


def test_a_target_too_small_to_be_sold_counts_as_done_and_moves_the_stop() -> None:
    small = replace(PLAN, targets=(Target(D(110), D("0.0000001")), Target(D(120), ONE)), trail=None)
    master, _ = run(small, candle(1, 100, 112, 105, 110), candle(2, 110, 110, 95, 96))
    assert sales(master) == [(2, 100, 1)]  # at the entry's price, to which the target has moved the stop
    assert [(skip.kind, skip.code) for skip in master.skips] == [(Kind.EXIT, "dust")]
