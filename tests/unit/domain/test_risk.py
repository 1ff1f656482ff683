"""Limits: each bars or cuts an entry at its crash_points, with its numbers; and the second look before the send judges alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.domain.limits.policy import LimitPolicy, UserPolicy
from shared.domain.limits.risk import MAX_BALANCE_AGE_MS, AccountSnapshot, AllowedSize, admit, check_hard_limits
from shared.domain.limits.risk_state import RiskState, next_day
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.sizing import EntrySize, Skip, size_entry
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_instrument, btc, btc_price, usd

ETH_USD = Symbol("ETH", "USD")
BTC_USDC = Symbol("BTC", "USDC")


def limited(**limits: Any) -> UserPolicy:
    """Return alice with these limits."""
    return a_policy(limits=LimitPolicy(**limits))


def held(symbol: Symbol, size: str, cost: str) -> Position:
    """Return a copied position."""
    return Position(symbol, Quantity(Decimal(size), symbol.base), Money(Decimal(cost), symbol.quote), NOW, NOW)


def a_portfolio(*positions: Position, **prices: str) -> Portfolio:
    """Return a portfolio; prices by asset."""
    known = {each.symbol: Price(Decimal(prices[each.symbol.base]), each.symbol) for each in positions if prices}
    return Portfolio({each.symbol: each for each in positions}, known)


ONE_ETH = a_portfolio(held(ETH_USD, "1", "1000"), ETH="2000")


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (MAX_BALANCE_AGE_MS, None),
        (MAX_BALANCE_AGE_MS + 1, "balance is 120 s old; entries need one of the last 120 s"),
        (-5_000, None),  # the clock of another machine
    ],
)
def test_a_stale_balance_takes_no_entries(age: int, reason: str | None) -> None:
    denied = check_hard_limits(a_policy(), AccountSnapshot(an_account()), BTC_USD, NOW + age)
    assert denied == (None if reason is None else Skip(reason, ReasonCode.BALANCE_TOO_OLD))


def test_a_balance_without_an_instant_is_of_unknown_age() -> None:
    denied = check_hard_limits(a_policy(), AccountSnapshot(an_account(as_of=0)), BTC_USD, NOW)
    assert denied == Skip(
        "balance is of an unknown age; entries need one of the last 120 s", ReasonCode.BALANCE_TOO_OLD
    )


def stopped() -> RiskState:
    """Return a state that has lost more than allowed."""
    state = RiskState.fresh("USD", NOW).at(NOW, usd(0), usd(1000), LimitPolicy())
    return state.at(NOW, usd(-60), usd(940), LimitPolicy(daily_loss_pct=Decimal(5)))


def test_who_is_stopped_out_is_told_until_when_and_why() -> None:
    policy = limited(daily_loss_pct=Decimal(5))
    snapshot = AccountSnapshot(an_account(as_of=next_day(NOW)), risk=stopped())
    assert check_hard_limits(policy, snapshot, BTC_USD, next_day(NOW) - 1) == Skip(
        "stopped out until 2025-11-23 00:00 UTC: "
        "6 % lost by copying on 2025-11-22 UTC (-60.00 USD, limits.daily_loss_pct 5)",
        ReasonCode.STOPPED_OUT,
    )
    assert check_hard_limits(policy, snapshot, BTC_USD, next_day(NOW)) is None


def test_a_user_who_takes_the_limit_out_is_stopped_no_longer() -> None:
    assert check_hard_limits(a_policy(), AccountSnapshot(an_account(), risk=stopped()), BTC_USD, NOW) is None


@pytest.mark.parametrize(
    ("trades", "denied"),
    [(2, None), (3, Skip("3 trades today (UTC); limits.max_trades_per_day is 3", ReasonCode.MAX_TRADES))],
)
def test_the_number_of_trades_a_day_is_a_limit(trades: int, denied: Skip | None) -> None:
    state = RiskState.fresh("USD", NOW)
    for _ in range(trades):
        state = state.after_fill(NOW, entry=True)
    snapshot = AccountSnapshot(an_account(), risk=state)
    assert check_hard_limits(limited(max_trades_per_day=3), snapshot, BTC_USD, NOW) == denied
    fresh = snapshot._replace(account=an_account(as_of=next_day(NOW)))
    assert check_hard_limits(limited(max_trades_per_day=3), fresh, BTC_USD, next_day(NOW)) is None


def test_a_new_position_is_one_too_many_and_more_of_a_held_one_is_not() -> None:
    snapshot = AccountSnapshot(an_account(), ONE_ETH)
    denied = Skip("1 positions held; limits.max_positions is 1", ReasonCode.MAX_POSITIONS)
    assert check_hard_limits(limited(max_positions=1), snapshot, BTC_USD, NOW) == denied
    assert check_hard_limits(limited(max_positions=1), snapshot, ETH_USD, NOW) is None
    assert check_hard_limits(limited(max_positions=2), snapshot, BTC_USD, NOW) is None


def test_dust_fills_no_place_and_one_coin_in_two_currencies_fills_one() -> None:
    dust = a_portfolio(held(ETH_USD, "0.0004", "0.9"), ETH="2000")
    assert check_hard_limits(limited(max_positions=1), AccountSnapshot(an_account(), dust), BTC_USD, NOW) is None
    coin = a_portfolio(held(BTC_USD, "1", "10"), held(BTC_USDC, "1", "10"))
    assert check_hard_limits(limited(max_positions=2), AccountSnapshot(an_account(), coin), ETH_USD, NOW) is None


@pytest.mark.parametrize(
    ("limits", "portfolio", "size", "why"),
    [
        ({"max_exposure_pct": 50}, ONE_ETH, "0.00829187", "limits.max_exposure_pct 50 (2,500, of which 2,000 held)"),
        ({"max_exposure_pct": 50}, Portfolio(), "0.04145936", "limits.max_exposure_pct 50 (2,500, of which 0 held)"),
        ({"max_symbol_pct": 50}, ONE_ETH, "0.04145936", "limits.max_symbol_pct 50 (2,500, of which 0 held)"),
        (
            {"max_symbol_pct": 50},
            a_portfolio(held(BTC_USDC, "0.04", "2000"), BTC="60000"),
            "0.00165837",
            "limits.max_symbol_pct 50 (2,500, of which 2,400 held)",
        ),
        (
            {"max_exposure_pct": 50},
            a_portfolio(held(ETH_USD, "1", "1000")),  # no price: what was paid
            "0.02487562",
            "limits.max_exposure_pct 50 (2,500, of which 1,000 held)",
        ),
    ],
)
def test_what_is_held_at_market_leaves_only_so_much_room(
    limits: dict[str, int], portfolio: Portfolio, size: str, why: str
) -> None:
    policy = limited(**{name: Decimal(pct) for name, pct in limits.items()})
    outcome = size_entry(an_entry(), an_account(), policy, an_instrument(), portfolio=portfolio)
    assert isinstance(outcome, EntrySize)
    assert outcome.size == btc(size)
    assert f"by {why}" in outcome.reason


def test_where_no_room_is_left_the_entry_is_skipped_with_the_numbers() -> None:
    outcome = size_entry(
        an_entry(), an_account(), limited(max_exposure_pct=Decimal(30)), an_instrument(), portfolio=ONE_ETH
    )
    assert isinstance(outcome, Skip)
    assert outcome.code is ReasonCode.MAX_EXPOSURE
    assert "cut to 0 by limits.max_exposure_pct 30 (1,500, of which 2,000 held)" in outcome.reason


def test_admit_lets_pass_what_still_fits_and_cuts_what_does_not() -> None:
    policy, limit = limited(max_exposure_pct=Decimal(50)), btc_price(60300)
    free, full = AccountSnapshot(an_account()), AccountSnapshot(an_account(), ONE_ETH)
    assert admit(btc("0.04"), limit, policy, free, an_instrument(), NOW) == AllowedSize(btc("0.04"), "")
    cut = admit(btc("0.04"), limit, policy, full, an_instrument(), NOW)
    assert cut == AllowedSize(
        btc("0.00829187"),
        "cut from 0.04 to 0.00829187 by limits.max_exposure_pct 50 (2,500, of which 2,000 held)",
    )


@pytest.mark.parametrize(
    ("snapshot", "code"),
    [
        (AccountSnapshot(an_account(cash=None, reason="EGeneral:Timeout")), ReasonCode.BALANCE_UNKNOWN),
        (AccountSnapshot(an_account(as_of=NOW - 200_000)), ReasonCode.BALANCE_TOO_OLD),
        (AccountSnapshot(an_account(cash=usd(2))), ReasonCode.INSUFFICIENT_FUNDS),
    ],
)
def test_admit_skips_what_must_not_go_out_any_more(snapshot: AccountSnapshot, code: ReasonCode) -> None:
    outcome = admit(btc("0.04"), btc_price(60300), a_policy(), snapshot, an_instrument(), NOW)
    assert isinstance(outcome, Skip)
    assert outcome.code is code


def test_a_cut_below_the_minimum_says_the_numbers() -> None:
    outcome = admit(
        btc("0.04"), btc_price(60300), a_policy(), AccountSnapshot(an_account(cash=usd(2))), an_instrument(), NOW
    )
    assert isinstance(outcome, Skip)
    assert outcome.reason.startswith("below venue minimum: 0.00003303 BTC is below")


limit_policies = st.builds(
    LimitPolicy,
    max_order_pct=st.none() | st.decimals(min_value=1, max_value=100, places=1),
    max_exposure_pct=st.none() | st.decimals(min_value=1, max_value=100, places=1),
    max_symbol_pct=st.none() | st.decimals(min_value=1, max_value=100, places=1),
    max_positions=st.none() | st.integers(min_value=1, max_value=3),
)
portfolios = st.builds(
    lambda eth, paid: a_portfolio(held(ETH_USD, str(eth), str(paid)), ETH="2000"),
    st.decimals(min_value=0, max_value=3, places=3),
    st.integers(min_value=0, max_value=10_000),
)


@given(limit_policies, portfolios, st.integers(min_value=0, max_value=10_000))
def test_what_the_engine_sized_passes_the_second_look_on_the_same_facts(
    limits: LimitPolicy, portfolio: Portfolio, cash: int
) -> None:
    """Otherwise the executor would cut what the engine explained, on nothing but a difference of arithmetic."""
    policy, account = a_policy(limits=limits), an_account(cash=usd(cash))
    if check_hard_limits(policy, AccountSnapshot(account, portfolio), BTC_USD, NOW):
        return
    outcome = size_entry(an_entry(), account, policy, an_instrument(), portfolio=portfolio)
    if isinstance(outcome, EntrySize):
        again = admit(
            outcome.size, outcome.limit_price, policy, AccountSnapshot(account, portfolio), an_instrument(), NOW
        )
        assert again == AllowedSize(outcome.size, "")
