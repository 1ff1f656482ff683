"""Data that is missing, short, torn or old is a reason to hold."""

from __future__ import annotations

from shared.strategies.candle_window import Freshness, Hold, window
from shared.strategies.port import candles_needed
from shared.strategies.sma_cross import SmaCross, SmaCrossSettings
from tests.unit.master_strategy.values import MINUTE, NOW, candles, rising


def test_the_newest_candles_are_given() -> None:
    seen = rising(12)
    assert window(seen, 8, 1) == seen[-8:]


def test_no_candles_are_a_hold() -> None:
    assert window([], 8, 1) == Hold("candles missing: the venue gave none")


def test_short_candles_are_a_hold_that_says_how_short() -> None:
    assert window(rising(5), 8, 1) == Hold("candles missing: 5 of 8")


def test_a_gap_among_those_that_count_is_a_hold() -> None:
    torn = [*rising(4), *rising(4, first_at=NOW + 5 * MINUTE)]
    assert isinstance(window(torn, 8, 1), Hold)


def test_a_gap_before_those_that_count_does_not_matter() -> None:
    torn = [*rising(4), *rising(8, first_at=NOW + 5 * MINUTE)]
    assert window(torn, 8, 1) == torn[-8:]


def test_fewer_candles_than_needed_will_do_where_that_is_allowed() -> None:
    seen = rising(12)
    assert window(seen, 10, 1, 8) == seen[-10:]
    assert window(seen[-9:], 10, 1, 8) == seen[-9:]
    assert window(seen[-8:], 10, 1, 8) == seen[-8:]
    assert window(seen[-7:], 10, 1, 8) == Hold("candles missing: 7 of 8")
    assert window(seen[-9:], 10, 1) == Hold("candles missing: 9 of 10")
    assert window(seen, 8, 1, 10) == seen[-8:]


def test_candles_before_a_gap_are_not_given() -> None:
    torn = [*rising(4), *rising(8, first_at=NOW + 5 * MINUTE)]
    assert window(torn, 10, 1, 8) == torn[-8:]
    assert window(torn, 10, 1, 9) == Hold("candles missing: a gap among the last 9")
    assert window(torn, 10, 1) == Hold("candles missing: a gap among the last 10")


def test_a_gap_after_the_first_or_before_the_last_candle_is_found() -> None:
    first_alone = [*rising(1), *rising(8, first_at=NOW + 2 * MINUTE)]
    last_alone = [*rising(8), *rising(1, first_at=NOW + 9 * MINUTE)]
    for torn in (first_alone, last_alone):
        assert window(torn, 9, 1) == Hold("candles missing: a gap among the last 9")
    assert window(last_alone, 9, 1, 1) == last_alone[-1:]


def test_a_strategy_may_look_after_what_it_holds_with_fewer_candles() -> None:
    strategy = SmaCross(SmaCrossSettings(fast=3, slow=8))
    assert (candles_needed(strategy, held=True), candles_needed(strategy, held=False)) == (8, 8)
    strategy.needs_held = 5  # type: ignore[attr-defined]  # as a strategy may have it
    assert (candles_needed(strategy, held=True), candles_needed(strategy, held=False)) == (5, 8)
    strategy.needs_held = 9  # type: ignore[attr-defined]
    assert candles_needed(strategy, held=True) == 8


def test_a_price_of_zero_is_a_hold() -> None:
    assert isinstance(window(candles(1, 1, 1, 1, 1, 1, 1, 0), 8, 1), Hold)


def test_a_price_below_one_is_a_price() -> None:
    assert window(candles(*["0.00001"] * 8), 8, 1) == candles(*["0.00001"] * 8)


def test_live_candles_are_stale_once_the_next_is_half_a_minute_late() -> None:
    fresh = Freshness(1, market_time_is_wall_time=True)
    [candle] = candles(1, first_at=NOW)
    due = NOW + 2 * MINUTE
    assert not fresh.stale(candle, due + 30_000)
    assert fresh.stale(candle, due + 31_000) == "candles stale: the next one is 31 s late"
    assert fresh.next_due() == due


def test_paper_candles_are_stale_when_none_has_come_for_long_whatever_their_market_time() -> None:
    fresh = Freshness(1, market_time_is_wall_time=False)
    [old, new] = candles(1, 2, first_at=5 * MINUTE)
    assert not fresh.stale(old, NOW)
    assert fresh.stale(old, NOW + MINUTE + 31_000)
    assert not fresh.stale(new, NOW + MINUTE + 32_000)
