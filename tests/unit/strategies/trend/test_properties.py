"""What holds in any market: a stop under every entry, sizes and targets within bounds, no intent out of nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from hypothesis import given, settings, strategies as st

from shared.domain.values.symbol import Symbol
from shared.strategies.port import Enter, Exit, Intent
from shared.strategies.trend import Trend, TrendSettings
from shared.venues.port import Candle
from tests.support.property_examples import scaled
from tests.unit.master_strategy.values import BTC, ETH, NOW
from tests.unit.strategies.trend.windows import PERIOD, context, held

SOL: Final = Symbol.parse("SOL/USD")
EAGER: Final = Trend(TrendSettings(trend_conditions=1, trigger_conditions=1, min_adx=0))
"""Enters far more often than the default, with the same plan and sizes."""


@st.composite
def markets(draw: st.DrawFn, longest: int = 130) -> list[Candle]:
    """Draw a market of any price and wildness, with trends, gaps, candles that stand still and ones without trades."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    price = 10 ** draw(st.floats(-6, 6))
    wild, drift = draw(st.sampled_from([0.0, 1e-7, 1e-3, 0.05, 0.5])), draw(st.sampled_from([-0.02, 0.0, 0.002, 0.02]))
    traded = draw(st.sampled_from([0.0, 0.5, 1.0]))
    count = draw(st.integers(100, longest) | st.integers(1, 110))
    candles: list[Candle] = []
    for index in range(count):
        opened = price * (1 + rng.choice([0, 0, 0, wild]) * rng.uniform(-0.5, 0.5))
        price = max(opened * (1 + rng.gauss(drift, wild)), 1e-9)
        high, low = (
            max(opened, price) * (1 + abs(rng.gauss(0, wild))),
            min(opened, price) * (1 - rng.random() * min(wild, 0.9)),
        )
        first, top, bottom, last = (Decimal(f"{each:.10f}") for each in (opened, max(high, 1e-9), max(low, 0.0), price))
        volume = Decimal(f"{rng.expovariate(1):.6f}") if rng.random() < traded else Decimal(0)
        candles.append(Candle(NOW + index * PERIOD, first, top, bottom, last, volume))
    return candles


def _check(intent: Intent, candles: Sequence[Candle]) -> None:
    if isinstance(intent, Exit):
        assert intent.fraction == 1
        return
    price, plan = candles[-1].close, intent.plan
    assert plan is not None
    assert 0 < plan.stop < price
    assert plan.stop <= min(candle.low for candle in candles[-10:])
    assert Decimal("0.02") <= intent.share <= Decimal("0.05")
    targets = [target.price for target in plan.targets]
    assert price < targets[0] < targets[1] < targets[2]
    assert [target.fraction for target in plan.targets] == [Decimal("0.5"), Decimal("0.5"), 1]
    assert plan.break_even == price
    assert plan.trail is not None
    assert plan.trail > 0
    assert plan.highest is None
    assert plan.due(price) is None, "nothing is sold at the price of the entry"


@settings(max_examples=scaled(400), deadline=None)
@given(markets(), st.sampled_from([Trend(), EAGER]))
def test_every_entry_has_a_stop_below_its_price_and_targets_above_it(candles: list[Candle], strategy: Trend) -> None:
    for intent in strategy.decide(context({BTC: candles}, {})):
        assert isinstance(intent, Enter)
        assert len(candles) >= 100
        _check(intent, candles)


@settings(max_examples=scaled(200), deadline=None)
@given(
    st.dictionaries(st.sampled_from([BTC, ETH, SOL]), markets(), max_size=3), st.sets(st.sampled_from([BTC, ETH, SOL]))
)
def test_intents_are_one_per_symbol_with_candles_and_exits_only_of_what_is_held(
    candles: dict[Symbol, list[Candle]], holdings: set[Symbol]
) -> None:
    intents = EAGER.decide(context(candles, {symbol: held(since=0) for symbol in holdings}))
    symbols = [intent.symbol for intent in intents]
    assert len(symbols) == len(set(symbols))
    assert set(symbols) <= set(candles)
    for intent in intents:
        assert isinstance(intent, Exit) is (intent.symbol in holdings)
        assert len(candles[intent.symbol]) >= (90 if isinstance(intent, Exit) else 100)
        _check(intent, candles[intent.symbol])


@settings(max_examples=scaled(200), deadline=None)
@given(markets(longest=260), st.booleans())
def test_more_history_and_what_was_seen_before_change_no_decision(candles: list[Candle], holds: bool) -> None:
    holdings = {BTC: held(since=0)} if holds else {}
    with_all = EAGER.decide(context({BTC: candles}, holdings))
    fresh = Trend(TrendSettings(trend_conditions=1, trigger_conditions=1, min_adx=0))
    assert with_all == fresh.decide(context({BTC: candles[-100:]}, holdings))


def test_the_markets_of_these_properties_are_entered() -> None:
    """Else they would prove nothing."""
    entered = 0

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(markets())
    def count(candles: list[Candle]) -> None:
        nonlocal entered
        entered += len(EAGER.decide(context({BTC: candles}, {})))

    count()
    assert entered > 5
