"""A run fills at the next open, sees nothing before its close, adds up to the cent, and reports what a strategy does wrong."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from shared.backtest.accounts.strategy_setup import StrategySetup
from shared.backtest.backtest import StrategyFailedError, run_backtest
from shared.backtest.fill_model import FillModel
from shared.backtest.market import PairMarket
from shared.backtest.results.result import AccountResult
from shared.domain.order import Kind, Side
from shared.domain.values.money import ONE, ZERO
from shared.strategies.candle_window import Hold, window
from shared.strategies.frame import NO_CAPS, Caps, Frame
from shared.strategies.port import Context, Enter, Exit
from shared.strategies.sma_cross import SmaCross, SmaCrossSettings
from tests.support.backtests import BTC, ETH, START, STEP, Scripted, candle, flat_candles, scenario, user
from tests.support.property_examples import scaled

D = Decimal

HALF = D("0.5")
BUY = Enter(BTC, HALF, "up")
SELL = Exit(BTC, ONE, "down")
WORSE = FillModel(D(10), D(5))


def adds_up(account: AccountResult) -> None:
    """Check that the equity is what it was, plus what each sale made, plus what is still held."""
    made = sum((fill.realized.amount for fill in account.fills if fill.realized is not None), ZERO)
    held = sum((each.unrealized.amount for each in account.held), ZERO)
    assert account.end.amount == account.start.amount + made + held
    assert account.fees.amount == sum((fill.fee.amount for fill in account.fills), ZERO)


def test_what_is_decided_at_a_close_fills_at_the_next_open_worse_by_the_slippage_and_the_fee() -> None:
    candles = [candle(0, 100, 100, 100, 100), candle(1, 110, 120, 105, 120), candle(2, 130, 130, 130, 130)]
    run = scenario(Scripted({0: [BUY], 1: [SELL]}), {BTC: candles}, fills=WORSE, fee=D("0.004"))
    (master,) = run_backtest(run).accounts
    bought, sold = master.fills
    assert (bought.at, bought.price.amount, bought.size.amount) == (START + STEP, D("110.2"), D(50))
    assert (sold.at, sold.price.amount) == (START + 2 * STEP, D("129.8"))  # 110.11 and 129.87, to the worse tick
    assert (bought.fee.amount, sold.fee.amount) == (D("22.04"), D("25.96"))
    assert sold.realized is not None
    assert sold.realized.amount == 50 * (D("129.8") - D("110.2")) - D("22.04") - D("25.96")
    assert [each.made for each in master.round_trips] == [sold.realized]
    assert master.figures.trades == 1
    assert master.figures.win_rate == 1
    assert master.figures.exposure == pytest.approx(1 / 3)
    adds_up(master)


def test_what_is_still_held_at_the_end_is_valued_at_the_last_close() -> None:
    (master,) = run_backtest(scenario(Scripted({0: [BUY]}), {BTC: flat_candles(100, 100, 150)})).accounts
    assert master.end.amount == 12_500
    (held,) = master.held
    assert held.value.amount == 7500
    assert held.unrealized.amount == 2500
    assert master.figures.trades == 0
    adds_up(master)


def test_a_days_equity_is_that_of_its_last_close_whatever_the_next_day_opens_with() -> None:
    flat = flat_candles(*[100] * 288)
    prices = [*flat, candle(288, 200, 200, 200, 200), candle(289, 200, 200, 200, 200)]
    result = run_backtest(scenario(Scripted({0: [BUY]}), {BTC: prices}))
    assert list(map(int, result.accounts[0].equity)) == [10_000, 10_000, 15_000]
    assert [instant - START for instant in result.instants] == [0, 288 * STEP, 290 * STEP]


def test_the_wait_for_a_candle_to_settle_changes_no_decision_and_no_fill() -> None:
    """A close stands for the decision after the wait: the candles that decide are the same, and the fill is the next open."""
    closes = [100 + number % 7 - number % 3 for number in range(200)]
    run = scenario(SmaCross(SmaCrossSettings(fast=2, slow=4)), {BTC: flat_candles(*closes)}, users=[user("alice", 500)])
    waits = scenario(run.master.strategies[0].frame.strategy, run.candles, users=run.users, caps=Caps(settle_seconds=6))
    assert run_backtest(run) == run_backtest(waits)


def test_an_entry_does_not_wait_for_a_late_candle_and_an_exit_does() -> None:
    late = [candle(0, 100, 100, 100, 100), candle(3, 100, 100, 100, 100)]
    (master,) = run_backtest(scenario(Scripted({0: [BUY]}), {BTC: late})).accounts
    assert master.fills == []
    assert [(skip.kind, skip.code) for skip in master.skips] == [(Kind.ENTRY, "no_candle")]
    late = [*flat_candles(100, 100), candle(9, 90, 90, 90, 90)]
    (master,) = run_backtest(scenario(Scripted({0: [BUY], 1: [SELL]}), {BTC: late})).accounts
    assert [(fill.side, fill.at) for fill in master.fills] == [(Side.BUY, START + STEP), (Side.SELL, START + 9 * STEP)]


def test_a_strategy_is_shown_no_window_with_a_gap_and_none_before_the_start() -> None:
    candles = [*flat_candles(1, 2, 3), *(candle(number, 1, 1, 1, 1) for number in (5, 6, 7))]
    strategy = Scripted({}, needs=2)
    run_backtest(scenario(strategy, {BTC: candles}, start=START + 2 * STEP))
    assert [(context.now - START) // STEP for context in strategy.seen] == [3, 7, 8]
    assert [each.opened_at for each in strategy.seen[0].candles[BTC]] == [START + STEP, START + 2 * STEP]


@given(present=st.lists(st.booleans(), min_size=1, max_size=40), needs=st.integers(1, 6), at_least=st.integers(1, 6))
def test_a_window_is_the_live_masters(present: list[bool], needs: int, at_least: int) -> None:
    candles = [candle(number, 1, 1, 1, 1) for number, there in enumerate(present) if there]
    market = PairMarket(BTC, candles, 5)
    for end in range(1, len(candles) + 1):
        market.advance()
        live = window(candles[:end], needs, 5, at_least)
        assert market.window(needs, min(needs, at_least)) == (None if isinstance(live, Hold) else live)


def test_what_is_held_is_looked_after_with_fewer_candles_where_the_strategy_says_so() -> None:
    candles = [*flat_candles(1, 2, 3, 3), *(candle(number, 3, 3, 3, 3) for number in (7, 8, 9, 10))]
    strategy = Scripted({2: [BUY]}, needs=3)
    setattr(strategy, "needs_held", 2)  # noqa: B010  # an attribute that a strategy may have
    run_backtest(scenario(strategy, {BTC: candles}))
    seen = [((context.now - START) // STEP, len(context.candles[BTC])) for context in strategy.seen]
    assert seen == [(3, 3), (4, 3), (9, 2), (10, 3), (11, 3)]


@given(
    closes=st.lists(st.integers(50, 150), min_size=20, max_size=60),
    others=st.lists(st.integers(50, 150), min_size=5, max_size=20),
    cut=st.integers(5, 15),
)
@settings(max_examples=scaled(50))
def test_nothing_before_a_candle_depends_on_it_or_later_ones(closes: list[int], others: list[int], cut: int) -> None:
    def fills_until(prices: list[int]) -> list[object]:
        run = scenario(
            SmaCross(SmaCrossSettings(fast=2, slow=4)), {BTC: flat_candles(*prices)}, users=[user("alice", 500)]
        )
        last = START + cut * STEP
        return [[fill for fill in account.fills if fill.at < last] for account in run_backtest(run).accounts]

    assert fills_until(closes) == fills_until([*closes[:cut], *others])


@given(closes=st.lists(st.integers(50, 150), min_size=10, max_size=80))
@settings(max_examples=scaled(50))
def test_every_account_adds_up(closes: list[int]) -> None:
    run = scenario(
        SmaCross(SmaCrossSettings(fast=2, slow=4, entry_pct=D(90), entry_pct_by_symbol={})),
        {BTC: flat_candles(*closes)},
        users=[user("alice", 500, fee=D("0.012"))],
        fills=WORSE,
        fee=D("0.004"),
    )
    for account in run_backtest(run).accounts:
        adds_up(account)
        assert account.end.amount >= 0


def test_two_pairs_share_one_account_and_a_cap_counts_both() -> None:
    candles = {BTC: flat_candles(100, 100, 100), ETH: flat_candles(10, 10, 10)}
    both = Scripted({0: [BUY, Enter(ETH, HALF, "up")]})
    (master,) = run_backtest(scenario(both, candles)).accounts
    assert {fill.symbol for fill in master.fills} == {BTC, ETH}
    (master,) = run_backtest(scenario(both, candles, caps=Caps(max_positions=1))).accounts
    assert {fill.symbol for fill in master.fills} == {BTC}
    assert [(skip.code, skip.example) for skip in master.skips] == [("cap", "1 positions of at most 1")]


def test_two_strategies_in_one_account_each_sell_only_what_they_bought() -> None:
    first, second = Scripted({0: [BUY], 2: [SELL]}, "first"), Scripted({1: [BUY]}, "second")
    run = scenario(first, {BTC: flat_candles(100, 100, 100, 100, 100)}, users=[user("alice", 1000)])
    setups = [
        StrategySetup(each.name, Frame(each, NO_CAPS), (BTC,), share)
        for each, share in ((first, D("0.6")), (second, D("0.4")))
    ]
    result = run_backtest(replace(run, master=replace(run.master, strategies=setups)))
    master, alice = result.accounts
    sizes = [(fill.side, fill.size.amount) for fill in master.fills]
    assert sizes == [
        (Side.BUY, D(30)),
        (Side.BUY, D(20)),
        (Side.SELL, D(30)),
    ]  # of 60 and 40 % of the equity, half each
    assert [fill.size.amount for fill in alice.fills] == [D(3), D(2), D(3)]  # the sale is 60 % of the whole position
    assert [held.value.amount for held in (*master.held, *alice.held)] == [D(2000), D(200)]


def test_an_order_that_the_cash_does_not_pay_for_any_more_is_not_filled() -> None:
    candles = [candle(0, 100, 100, 100, 100), candle(1, 101, 101, 101, 101)]
    (master,) = run_backtest(scenario(Scripted({0: [Enter(BTC, ONE, "all")]}), {BTC: candles})).accounts
    assert master.fills == []
    assert [skip.code for skip in master.skips] == ["venue_funds"]


class Broken:
    """A strategy with an error."""

    name = "broken"
    needs = 1

    def decide(self, context: Context) -> list[Enter]:
        """Fail at the second candle."""
        if context.now == START + 2 * STEP:
            raise KeyError("rsi")
        return []


def test_a_strategy_that_fails_ends_the_run_and_names_the_candle() -> None:
    with pytest.raises(StrategyFailedError, match=r"broken at 2023-11-15 00:10 UTC: KeyError: 'rsi'"):
        run_backtest(scenario(Broken(), {BTC: flat_candles(1, 2, 3)}))
    with pytest.raises(StrategyFailedError, match="the strategy does not hold it"):
        run_backtest(scenario(Scripted({0: [SELL]}), {BTC: flat_candles(1, 2, 3)}))


def test_progress_is_reported_to_the_last_candle() -> None:
    seen: list[int] = []
    run_backtest(scenario(Scripted({}), {BTC: flat_candles(*range(1, 2501))}), seen.append)
    assert seen == [1000, 2000, 2500]
