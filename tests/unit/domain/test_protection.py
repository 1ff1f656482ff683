"""The user's own exits: each fires at its crash_points, none without cause, and none asks for more than is held."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from shared.domain.exits import ExitSize, size_exit
from shared.domain.limits.policy import ExitPolicy
from shared.domain.limits.protection import due
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from tests.support.examples import BTC_USD, NOW, an_instrument, btc, btc_price, usd

NOTHING = ExitPolicy(stop_loss_pct=None)
HELD = Position(BTC_USD, btc("0.5"), usd(30000), NOW, NOW)  # at an average cost of 60,000 with fees


def fired(price: str | None, exits: ExitPolicy, position: Position = HELD, now: int = NOW) -> ReasonCode | None:
    """Return the rule that closes the position."""
    intent = due(position, None if price is None else btc_price(price), now, exits)
    return intent.rule if intent else None


@pytest.mark.parametrize(
    ("price", "rule"), [("57000.01", None), ("57000", ReasonCode.STOP_LOSS), ("1", ReasonCode.STOP_LOSS)]
)
def test_the_stop_loss_fires_at_its_boundary(price: str, rule: ReasonCode | None) -> None:
    assert fired(price, ExitPolicy()) is rule  # 5 % is the default stop


@pytest.mark.parametrize(("price", "rule"), [("65999.99", None), ("66000", ReasonCode.TAKE_PROFIT)])
def test_the_target_fires_at_its_boundary(price: str, rule: ReasonCode | None) -> None:
    assert fired(price, ExitPolicy(take_profit_pct=Decimal(10))) is rule


@pytest.mark.parametrize(("price", "rule"), [("63000.01", None), ("63000", ReasonCode.TRAILING)])
def test_the_trail_fires_at_its_boundary_below_the_highest_price(price: str, rule: ReasonCode | None) -> None:
    exits = replace(NOTHING, trailing_pct=Decimal(10))
    assert fired(price, exits, HELD.seen(btc_price(70000))) is rule


@pytest.mark.parametrize(("held_ms", "rule"), [(3_599_999, None), (3_600_000, ReasonCode.MAX_HOLD)])
def test_the_time_fires_at_its_boundary_and_needs_no_price(held_ms: int, rule: ReasonCode | None) -> None:
    exits = replace(NOTHING, max_hold_ms=3_600_000)
    assert fired(None, exits, now=NOW + held_ms) is rule


def test_without_a_price_nothing_is_sold_for_its_price() -> None:
    exits = ExitPolicy(stop_loss_pct=Decimal(5), take_profit_pct=Decimal(10), trailing_pct=Decimal(1), max_hold_ms=None)
    assert fired(None, exits, HELD.seen(btc_price(90000))) is None


def test_what_is_not_set_never_fires() -> None:
    for price in ("0.01", "60000", "1000000"):
        assert fired(price, NOTHING, HELD.seen(btc_price(70000)), NOW + 10**12) is None


def test_a_position_without_a_cost_has_neither_stop_nor_target() -> None:
    gift = replace(HELD, cost=usd(0))
    assert fired("1", ExitPolicy(take_profit_pct=Decimal(1)), gift) is None


def test_nothing_held_is_nothing_to_protect() -> None:
    assert fired("1", ExitPolicy(max_hold_ms=1), Position.flat(BTC_USD, NOW), NOW + 10) is None


def test_the_stop_goes_before_the_target_and_says_its_numbers() -> None:
    intent = due(
        HELD,
        btc_price("56943"),
        NOW,
        ExitPolicy(stop_loss_pct=Decimal(5), take_profit_pct=Decimal(1), trailing_pct=Decimal(1), max_hold_ms=1),
    )
    assert intent is not None
    assert intent.reason == "stop_loss: 56943 USD is 5 % or more below the average cost of 60000 USD"
    assert intent.fraction == 1


def test_a_trail_begins_with_the_fill_and_not_with_an_older_position() -> None:
    first = Position.flat(BTC_USD, NOW).bought(btc(1), usd(100), NOW, btc_price(90))
    assert first.seen(btc_price(80)) is first
    higher = first.seen(btc_price(120))
    assert higher.high == btc_price(120)
    again = higher.sold(btc(1), NOW).bought(btc(1), usd(50), NOW, btc_price(50))
    assert again.high == btc_price(50)
    assert higher.bought(btc(1), usd(100), NOW, btc_price(100)).high == btc_price(120)


prices = st.decimals(min_value="0.01", max_value=200_000, places=2)
percents = st.decimals(min_value="0.1", max_value=100, places=1)
policies = st.builds(
    ExitPolicy,
    stop_loss_pct=st.none() | percents,
    take_profit_pct=st.none() | percents,
    trailing_pct=st.none() | percents,
    max_hold_ms=st.none() | st.integers(min_value=1, max_value=10**9),
)
positions = st.builds(
    lambda size, cost: Position(BTC_USD, btc(size), usd(cost), NOW, NOW),
    st.decimals(min_value="0.00000001", max_value=100, places=8),
    st.decimals(min_value="0.01", max_value=10**6, places=2),
)


@given(st.lists(prices, min_size=1))
def test_the_high_water_mark_only_rises_and_is_the_highest_price_seen(path: list[Decimal]) -> None:
    position, before = HELD, Decimal(0)
    for price in path:
        position = position.seen(btc_price(price))
        assert position.high is not None
        assert position.high.amount >= before
        before = position.high.amount
    assert before == max(path)


@given(positions, prices, prices, policies, st.integers(min_value=0, max_value=10**9))
def test_a_rule_fires_exactly_when_its_own_arithmetic_says_so(
    position: Position, high: Decimal, price: Decimal, exits: ExitPolicy, age: int
) -> None:
    position = position.seen(btc_price(high)).seen(btc_price(price))
    assert position.high is not None
    average = Fraction(position.cost.amount) / Fraction(position.size.amount)
    said = {
        ReasonCode.STOP_LOSS: exits.stop_loss_pct is not None
        and Fraction(price) <= average * (1 - Fraction(exits.stop_loss_pct) / 100),
        ReasonCode.TRAILING: exits.trailing_pct is not None
        and Fraction(price) <= Fraction(position.high.amount) * (1 - Fraction(exits.trailing_pct) / 100),
        ReasonCode.TAKE_PROFIT: exits.take_profit_pct is not None
        and Fraction(price) >= average * (1 + Fraction(exits.take_profit_pct) / 100),
        ReasonCode.MAX_HOLD: exits.max_hold_ms is not None and age >= exits.max_hold_ms,
    }
    intent = due(position, btc_price(price), NOW + age, exits)
    assert (intent.rule if intent else None) == next((rule for rule, fires in said.items() if fires), None)


@given(positions, prices, policies)
def test_an_exit_never_sells_above_what_is_held(position: Position, price: Decimal, exits: ExitPolicy) -> None:
    intent = due(position, btc_price(price), NOW + 10**9, exits)
    if intent is not None:
        close = size_exit(position, intent.fraction, an_instrument(), btc_price(price))
        if isinstance(close, ExitSize):
            assert close.size <= position.size
            assert position.sold(close.size, NOW).size.amount < an_instrument().lot_step


@given(positions, prices, policies)
def test_the_same_facts_give_the_same_answer(position: Position, price: Decimal, exits: ExitPolicy) -> None:
    assert due(position, btc_price(price), NOW, exits) == due(position, btc_price(price), NOW, exits)
