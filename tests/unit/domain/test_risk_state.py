"""Losses by copying: the UTC day, stop-outs with their ends, and that money that comes or goes is neither gain nor loss."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, strategies as st

from shared.domain.limits.policy import LimitPolicy, StopOutAction
from shared.domain.limits.risk_state import DAY_MS, RiskState, StopOut, next_day, realized_by, utc_day
from shared.domain.position import Position
from shared.domain.values.money import Money
from tests.support.examples import BTC_USD, NOW, btc, usd

MIDNIGHT: Final = next_day(NOW)
DAILY = LimitPolicy(daily_loss_pct=Decimal(5))
DRAWDOWN = LimitPolicy(max_drawdown_pct=Decimal(20))
FREE = LimitPolicy()


def begun(equity: int = 10_000, now: int = NOW) -> RiskState:
    """Return a state that was updated once, with nothing held."""
    return RiskState.fresh("USD", now).at(now, usd(0), usd(equity), FREE)


def test_a_day_is_a_utc_day() -> None:
    assert (utc_day(NOW), utc_day(MIDNIGHT - 1), utc_day(MIDNIGHT)) == ("2025-11-22", "2025-11-22", "2025-11-23")


@pytest.mark.parametrize(("loss", "stopped"), [("499.99", False), ("500", True), ("500.01", True)])
def test_a_daily_loss_stops_at_its_boundary_until_the_next_utc_day(loss: str, stopped: bool) -> None:
    state = begun().at(NOW + 1, usd(-Decimal(loss)), usd(9_500), DAILY)
    assert state.stopped(NOW + 2) is stopped
    if stopped:
        assert (state.stopped_until, state.stopped_by) == (MIDNIGHT, (StopOut.DAILY_LOSS,))
        assert state.stopped_action is StopOutAction.BLOCK_ENTRIES
        assert state.stopped(MIDNIGHT - 1)
        assert not state.stopped(MIDNIGHT)


def test_a_stop_out_says_why_with_its_numbers() -> None:
    state = begun().at(NOW + 1, usd("-612.50"), usd(9_387), DAILY)
    assert state.stopped_reason == "6.12 % lost by copying on 2025-11-22 UTC (-612.50 USD, limits.daily_loss_pct 5)"


@pytest.mark.parametrize(("loss", "stopped"), [(1_999, False), (2_000, True)])
def test_a_drawdown_stops_for_24_hours_from_the_best_value(loss: int, stopped: bool) -> None:
    best = begun(8_000).at(NOW + 1, usd(2_000), usd(10_000), DRAWDOWN)
    fallen = best.at(NOW + 2, usd(2_000 - loss), usd(10_000 - loss), DRAWDOWN)
    assert fallen.stopped(NOW + 3) is stopped
    if stopped:
        assert (fallen.stopped_until, fallen.stopped_by) == (NOW + 2 + DAY_MS, (StopOut.MAX_DRAWDOWN,))
        assert fallen.stopped_reason == "copying is 20 % below its best (limits.max_drawdown_pct 20)"


def test_a_loss_in_many_small_steps_stops_where_one_large_one_does() -> None:
    state = begun()
    for step in range(1, 501):
        state = state.at(NOW + step, usd(-step), usd(10_000 - step), DAILY)
        assert state.stopped(NOW + step) is (step >= 500), step


def test_how_long_a_stop_out_lasts_can_be_set_and_it_can_close_all() -> None:
    limits = replace(DAILY, stop_out_lasts_ms=3_600_000, on_stop_out=StopOutAction.CLOSE_ALL)
    state = begun().at(NOW + 1, usd(-600), usd(9_400), limits)
    assert (state.stopped_until, state.stopped_action) == (NOW + 1 + 3_600_000, StopOutAction.CLOSE_ALL)


def test_a_stop_out_is_not_made_longer_by_being_looked_at_again() -> None:
    limits = replace(DRAWDOWN, stop_out_lasts_ms=1_000)
    state = begun().at(NOW, usd(-2_500), usd(7_500), limits)
    for later in (100, 500, 999):
        state = state.at(NOW + later, usd(-2_600), usd(7_400), limits)
        assert state.stopped_until == NOW + 1_000


def test_what_stopped_it_is_measured_anew_once_the_stop_is_over() -> None:
    limits = replace(DRAWDOWN, daily_loss_pct=Decimal(10), stop_out_lasts_ms=1_000)
    stopped = begun().at(NOW, usd(-1_000), usd(9_000), limits)
    free = stopped.at(NOW + 1_000, usd(-1_000), usd(9_000), limits)
    assert (free.stopped_until, free.stopped_by, free.stopped_action, free.stopped_reason) == (0, (), None, "")
    again = free.at(NOW + 2_000, usd(-1_900), usd(8_100), limits)  # 10 % of what was left
    assert again.stopped(NOW + 2_000)
    assert StopOut.DAILY_LOSS in again.stopped_by


def test_a_drawdown_that_is_still_there_after_its_stop_does_not_stop_again_by_itself() -> None:
    stopped = begun().at(NOW, usd(-2_500), usd(7_500), DRAWDOWN)
    free = stopped.at(NOW + DAY_MS, usd(-2_500), usd(7_500), DRAWDOWN)
    assert not free.stopped(NOW + DAY_MS)
    assert not free.at(NOW + DAY_MS + 1, usd(-3_999), usd(6_001), DRAWDOWN).stopped(NOW + DAY_MS + 1)
    assert free.at(NOW + DAY_MS + 1, usd(-4_000), usd(6_000), DRAWDOWN).stopped(NOW + DAY_MS + 1)  # 20 % of 7,500


def test_a_second_stop_out_that_ends_earlier_makes_the_first_no_shorter() -> None:
    both = replace(DRAWDOWN, daily_loss_pct=Decimal(30))
    first = begun().at(NOW, usd(-2_500), usd(7_500), both)
    second = first.at(NOW + 1, usd(-3_100), usd(6_900), both)
    assert second.stopped_by == (StopOut.MAX_DRAWDOWN, StopOut.DAILY_LOSS)
    assert (second.stopped_until, second.stopped_reason) == (first.stopped_until, first.stopped_reason)
    assert first.stopped_until > MIDNIGHT


def test_who_has_lost_everything_can_be_measured_again() -> None:
    ruined = begun(100).at(NOW, usd(-100), usd(0), DAILY)
    assert ruined.growth > 0
    tomorrow = ruined.at(MIDNIGHT, usd(-100), usd(1_000), DAILY)
    assert not tomorrow.stopped(MIDNIGHT)
    assert tomorrow.at(MIDNIGHT + 1, usd(-150), usd(950), DAILY).stopped(MIDNIGHT + 1)


def test_daily_stops_do_not_hide_the_drawdown_that_they_add_up_to() -> None:
    limits = replace(DAILY, max_drawdown_pct=Decimal(14))
    state, pnl = begun(), Decimal(0)
    for day in range(3):
        now = NOW + day * DAY_MS
        pnl -= (10_000 + pnl) * Decimal("0.05")
        state = state.at(now, usd(pnl), usd(10_000 + pnl), limits)
    assert state.stopped_by == (StopOut.DAILY_LOSS, StopOut.MAX_DRAWDOWN)  # 0.95 ** 3 = 0.857
    assert state.stopped_until == NOW + 3 * DAY_MS


def test_two_stop_outs_end_with_the_later_one() -> None:
    both = replace(DAILY, max_drawdown_pct=Decimal(5))
    state = begun().at(NOW, usd(-900), usd(9_100), both)
    assert (state.stopped_by, state.stopped_until) == ((StopOut.DAILY_LOSS, StopOut.MAX_DRAWDOWN), NOW + DAY_MS)


def test_a_new_day_measures_from_what_was_last_seen() -> None:
    evening = begun().at(NOW, usd(-400), usd(9_600), DAILY)
    night = evening.at(MIDNIGHT, usd(-800), usd(9_200), DAILY)  # 4.2 % of 9,600, after 4 % the day before
    assert not night.stopped(MIDNIGHT)
    assert night.day == "2025-11-23"
    assert night.at(MIDNIGHT + 1, usd(-880), usd(9_120), DAILY).stopped(MIDNIGHT + 1)  # 480 of 9,600


def test_trades_are_counted_by_utc_day_and_only_entries() -> None:
    state = begun().after_fill(NOW, entry=True).after_fill(NOW, entry=True)
    state = state.after_fill(NOW, realized=usd(-3))
    assert (state.trades_on(NOW), state.trades_on(MIDNIGHT - 1), state.trades_on(MIDNIGHT)) == (2, 2, 0)
    assert state.after_fill(MIDNIGHT, entry=True).trades_on(MIDNIGHT) == 1


def test_a_clock_that_steps_back_begins_no_day_and_forgets_no_trade() -> None:
    state = begun(now=MIDNIGHT).after_fill(MIDNIGHT, entry=True)
    back = state.after_fill(MIDNIGHT - 5, entry=True).at(MIDNIGHT - 4, usd(0), usd(10_000), DAILY)
    assert (back.day, back.trades_on(MIDNIGHT), back.as_of) == ("2025-11-23", 2, MIDNIGHT)


def test_a_sale_realises_its_proceeds_less_fee_and_cost() -> None:
    held = Position(BTC_USD, btc(2), usd(200), NOW, NOW)
    assert realized_by(held, btc(1), usd(130), usd(1)) == usd(29)
    assert realized_by(held, btc(2), usd(130), usd(1)) == usd(-71)


def test_a_sale_at_market_changes_nothing_but_where_the_profit_stands() -> None:
    held = Position(BTC_USD, btc(1), usd(100), NOW, NOW)
    open_ = begun(1_000).at(NOW + 1, usd(-30), usd(970), FREE)
    sold = open_.after_fill(NOW + 2, realized=realized_by(held, btc(1), usd(70), usd(0)))
    after = sold.at(NOW + 3, usd(0), usd(970), FREE)
    assert (after.pnl, after.growth) == (open_.pnl, open_.growth)


def test_the_first_look_at_an_old_position_is_no_loss() -> None:
    state = RiskState.fresh("USD", NOW).at(NOW, usd(-5_000), usd(5_000), DAILY)
    assert not state.stopped(NOW)
    assert state.at(NOW + 1, usd(-5_250), usd(4_750), DAILY).stopped(NOW + 1)


def test_an_equity_that_is_not_known_leaves_the_last_one_in_force() -> None:
    state = begun().at(NOW + 1, usd(-499), None, DAILY)
    assert not state.stopped(NOW + 1)
    assert state.at(NOW + 2, usd(-500), None, DAILY).stopped(NOW + 2)


def test_another_currency_counts_on_from_the_same_growth() -> None:
    lost = begun().at(NOW + 1, usd(-400), usd(9_600), DAILY)
    moved = lost.at(NOW + 2, Money(Decimal(-400), "USDC"), Money(Decimal(9_600), "USDC"), DAILY)
    assert (moved.currency, moved.growth) == ("USDC", lost.growth)
    assert not moved.stopped(NOW + 2)


flows = st.lists(st.integers(min_value=-9_000, max_value=1_000_000), max_size=8)


@given(flows)
def test_deposits_and_withdrawals_neither_lose_nor_gain(equities: list[int]) -> None:
    limits = replace(DAILY, max_drawdown_pct=Decimal(5))
    state = begun().at(NOW, usd(-100), usd(9_900), limits)
    for number, equity in enumerate(equities):
        after = state.at(NOW + number, usd(-100), usd(max(9_900 + equity, 0)), limits)
        assert (after.growth, after.pnl) == (state.growth, state.pnl)
        assert not after.stopped(NOW + number)
        state = after


@given(st.integers(min_value=1_000, max_value=1_000_000), st.integers(min_value=100, max_value=2_000))
def test_a_deposit_does_not_hide_a_loss_nor_a_withdrawal_make_one(equity: int, bps: int) -> None:
    """After money has come or gone, a loss of so many basis points is measured against what is there now."""
    state = begun().at(NOW + 1, usd(0), usd(equity), DAILY)
    loss = Decimal(equity) * bps / 10_000
    assert state.at(NOW + 2, usd(-loss), usd(equity - loss), DAILY).stopped(NOW + 2) is (bps >= 500)


paths = st.lists(st.integers(min_value=-30, max_value=30), min_size=1, max_size=40)


@given(paths, st.integers(min_value=1, max_value=30))
def test_without_flows_the_measure_is_the_fall_of_the_equity_itself(steps: list[int], pct: int) -> None:
    limits = LimitPolicy(max_drawdown_pct=Decimal(pct))
    state, pnl, best, stopped = begun(1_000), 0, 1_000, False
    for number, step in enumerate(steps):
        pnl += step
        best = max(best, 1_000 + pnl)
        state = state.at(NOW + number, usd(pnl), usd(1_000 + pnl), limits)
        stopped = stopped or (best - 1_000 - pnl) * 100 >= pct * best
        assert state.stopped(NOW + number) is stopped
        if stopped:
            break
