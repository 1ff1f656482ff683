"""Changed settings keep what they do not change; a stop-out under other limits begins, ends and is not begun again at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.limits.policy import LimitPolicy, SizingMode, SizingPolicy, StopOutAction
from shared.domain.limits.risk_state import DAY_MS, DRAWDOWN_LASTS_MS, RiskState, utc_day
from shared.domain.stages.stage import Stage, StagePolicy
from shared.what_if.changed_settings import SettingsChange, WhatIfRefused, parse_changes
from shared.what_if.loss_replay import LossReplay
from tests.support.examples import NOW, a_policy

DAILY = LimitPolicy(daily_loss_pct=Decimal(3))
DRAWDOWN = LimitPolicy(max_drawdown_pct=Decimal(10))


def at(now: int, growth: str, peak: str = "1") -> RiskState:
    """Return a risk state of an instant, with the growth since it began."""
    return replace(RiskState.fresh("USD", now), growth=Decimal(growth), peak_growth=Decimal(peak))


def test_nothing_that_was_not_changed_changes() -> None:
    policy = a_policy(
        fault="line 3",
        waiting=(("kraken", "it is sold first"),),
        former_masters=(("coinbase", "kraken"),),
        limits=LimitPolicy(daily_loss_pct=Decimal(5), on_stop_out=StopOutAction.CLOSE_ALL),
    )
    changed = parse_changes(["sizing.multiplier=0.5"]).applied(policy)
    assert changed == replace(policy, sizing=SizingPolicy(multiplier=Decimal("0.5")))


def test_what_has_no_effect_without_the_changed_setting_goes_with_it() -> None:
    limited = a_policy(limits=LimitPolicy(daily_loss_pct=Decimal(5), stop_out_lasts_ms=60_000))
    assert parse_changes(["limits.daily_loss_pct="]).applied(limited).limits == LimitPolicy()
    fixed = a_policy(sizing=SizingPolicy(mode=SizingMode.FIXED_QUOTE, quote_amount=Decimal(50)))
    assert parse_changes(["sizing.mode=equity"]).applied(fixed).sizing == SizingPolicy()


def test_no_change_is_the_same_settings() -> None:
    policy = a_policy()
    assert SettingsChange(()).applied(policy) is policy


def test_the_stage_of_a_ladder_cannot_be_asked() -> None:
    policy = a_policy(stage=StagePolicy(start=Stage.SHADOW, auto=True))
    with pytest.raises(WhatIfRefused, match="moved by itself"):
        parse_changes(["stage.start=0.25"]).applied(policy)
    assert parse_changes(["stage.start=0.25"]).applied(a_policy()).stage.start is Stage.QUARTER


def test_a_stop_out_by_the_loss_of_a_day_lasts_until_the_next_day_whatever_is_won_back() -> None:
    replay = LossReplay()
    assert not replay.risk(at(NOW, "0.98"), DAILY, NOW).stopped(NOW)
    assert replay.risk(at(NOW, "0.97"), DAILY, NOW + 1).stopped(NOW + 1)
    assert replay.risk(at(NOW, "1.01"), DAILY, NOW + 2).stopped(NOW + 2)
    tomorrow = NOW + DAY_MS
    assert not replay.risk(at(tomorrow, "0.97"), DAILY, tomorrow).stopped(tomorrow), "losses count from the new day on"
    assert replay.risk(at(tomorrow, "0.94"), DAILY, tomorrow + 1).stopped(tomorrow + 1)


def test_a_loss_of_yesterday_is_no_loss_of_today() -> None:
    yesterday = replace(at(NOW - DAY_MS, "0.9"), day=utc_day(NOW - DAY_MS))
    assert not LossReplay().risk(yesterday, DAILY, NOW).stopped(NOW)


def test_a_stop_out_by_drawdown_ends_and_begins_again_only_below_the_best_since() -> None:
    replay = LossReplay()
    assert replay.risk(at(NOW, "0.9"), DRAWDOWN, NOW).stopped(NOW)
    ended = NOW + DRAWDOWN_LASTS_MS
    assert not replay.risk(at(ended, "0.9"), DRAWDOWN, ended).stopped(ended)
    assert not replay.risk(at(ended, "0.95"), DRAWDOWN, ended + 1).stopped(ended + 1)
    assert not replay.risk(at(ended, "0.86"), DRAWDOWN, ended + 2).stopped(ended + 2)
    assert replay.risk(at(ended, "0.855"), DRAWDOWN, ended + 3).stopped(ended + 3), "10 % below 0.95"


def test_a_stop_out_lasts_as_long_as_the_changed_settings_say() -> None:
    replay, limits = LossReplay(), replace(DAILY, stop_out_lasts_ms=1_000)
    assert replay.risk(at(NOW, "0.9"), limits, NOW).stopped_until == NOW + 1_000
    assert not replay.risk(at(NOW, "0.9"), limits, NOW + 1_000).stopped(NOW + 1_000)
    assert replay.risk(at(NOW, "0.87"), limits, NOW + 1_001).stopped(NOW + 1_001), "3 % below where the stop-out ended"
