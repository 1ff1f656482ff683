"""Entries: scaled by equity, cut by limits and funds, floored, checked against minimums; what fails is a skip.

Comparisons are made with fractions, so that no rounding of the test's own can hide one of the code's.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, strategies as st

from shared.domain.account import Account
from shared.domain.limits.policy import GuardPolicy, LimitPolicy, SizingPolicy, UserPolicy
from shared.domain.order import Side
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.sizing import EntrySize, Skip, entry_limit, size_entry
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Money, Price
from tests.support.examples import BTC_USD, a_policy, an_account, an_entry, an_instrument, btc, btc_price, usd

money = st.decimals(min_value=0, max_value=10**7, places=4)
sizes = st.decimals(min_value="0.00000001", max_value=10_000, places=8)
prices = st.decimals(min_value="0.0001", max_value=200_000, places=5)
slippages = st.decimals(min_value=0, max_value=1_000, places=2)
ticks = st.sampled_from([Decimal(text) for text in ("0.1", "0.01", "0.00001", "0.05", "0.25", "1")])
lots = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.00001", "0.1", "0.003", "1")])
fees = st.decimals(min_value=0, max_value="0.02", places=5)

instruments = st.builds(
    lambda lot, tick: an_instrument(lot_step=lot, tick=tick, min_size=Decimal(0), min_cost=Decimal(0)), lots, ticks
)
accounts = st.builds(
    lambda equity, cash, fee: an_account(equity=usd(equity), cash=usd(cash), taker_fee=fee), money, money, fees
)
signals = st.builds(
    lambda size, price, equity: an_entry(base_size=btc(size), price=btc_price(price), master_equity=usd(equity)),
    sizes,
    prices,
    st.decimals(min_value="0.01", max_value=10**7, places=4),
)
policies = st.builds(
    lambda multiplier, pct, quote, slippage: a_policy(
        sizing=SizingPolicy(multiplier=multiplier),
        limits=LimitPolicy(max_order_pct=pct, max_order_quote=quote),
        guards=GuardPolicy(max_slippage_bps=slippage),
    ),
    st.decimals(min_value="0.01", max_value=100, places=2),
    st.none() | st.decimals(min_value="0.01", max_value=100, places=2),
    st.none() | st.decimals(min_value="0.01", max_value=10**6, places=2),
    slippages,
)


def sized(signal: Signal, account: Account, policy: UserPolicy, instrument: Instrument) -> EntrySize:
    """Size an entry of which something is left."""
    limit = entry_limit(signal.price, signal.side, policy.guards.max_slippage_bps, instrument.tick)
    assume(limit.amount > 0)  # a tick above the price leaves no price at all: see the example-based test
    outcome = size_entry(signal, account, policy, instrument)
    assert isinstance(outcome, EntrySize)  # minimums are zero here
    return outcome


def test_the_size_follows_the_ratio_of_equities_times_the_multiplier() -> None:
    policy = a_policy(sizing=SizingPolicy(multiplier=Decimal("0.5")))
    outcome = size_entry(an_entry(), an_account(), policy, an_instrument())
    assert isinstance(outcome, EntrySize)
    assert outcome.size == btc("0.025")  # 0.1 x 5000/10000 x 0.5
    assert outcome.limit_price == btc_price(60300)  # 50 basis points above 60000
    assert outcome.reason == "0.1 x 5,000/10,000 x 0.5 = 0.025, floored to 0.025; min 0.00005"


@given(signals, accounts, policies, instruments)
def test_never_rounds_up_over_balance(
    signal: Signal, account: Account, policy: UserPolicy, instrument: Instrument
) -> None:
    outcome = sized(signal, account, policy, instrument)
    cost = Fraction(outcome.size.amount) * Fraction(outcome.limit_price.amount) * (1 + Fraction(account.taker_fee))
    assert account.cash is not None
    assert cost <= Fraction(account.cash.amount)


def test_a_balance_that_is_exactly_enough_is_spent_to_the_last_lot_and_not_beyond() -> None:
    instrument = an_instrument(lot_step=Decimal("0.01"), min_size=Decimal(0))
    signal = an_entry(base_size=btc(1), price=btc_price(100), master_equity=usd(100))
    policy = a_policy(guards=GuardPolicy(max_slippage_bps=Decimal(0)))
    for cash, size in (("50.20", "0.5"), ("50.19", "0.49"), ("51.19", "0.5")):  # 0.5 x 100 and its fee of 0.4 %
        account = an_account(equity=usd(1000), cash=usd(cash))
        outcome = size_entry(signal, account, policy, instrument)
        assert isinstance(outcome, EntrySize)
        assert outcome.size == btc(size), cash
        assert "by available funds" in outcome.reason


@given(signals, accounts, policies, instruments)
def test_never_above_any_limit_the_user_has_set(
    signal: Signal, account: Account, policy: UserPolicy, instrument: Instrument
) -> None:
    outcome = sized(signal, account, policy, instrument)
    cost = Fraction(outcome.size.amount) * Fraction(outcome.limit_price.amount)
    assert account.equity is not None
    if policy.limits.max_order_pct is not None:
        assert cost <= Fraction(account.equity.amount) * Fraction(policy.limits.max_order_pct) / 100
    if policy.limits.max_order_quote is not None:
        assert cost <= Fraction(policy.limits.max_order_quote)


@given(signals, accounts, policies, instruments)
def test_sizes_are_whole_lots_and_never_above_the_users_share(
    signal: Signal, account: Account, policy: UserPolicy, instrument: Instrument
) -> None:
    outcome = sized(signal, account, policy, instrument)
    assert account.equity is not None
    assert signal.master_equity is not None
    ratio = Fraction(account.equity.amount) / Fraction(signal.master_equity.amount)
    share = Fraction(signal.base_size.amount) * ratio * Fraction(policy.sizing.multiplier)
    assert 0 <= Fraction(outcome.size.amount) <= share
    assert (Fraction(outcome.size.amount) / Fraction(instrument.lot_step)).denominator == 1


@given(signals, instruments)
def test_a_user_as_rich_as_the_master_with_nothing_in_the_way_gets_the_masters_size_floored_to_a_lot(
    signal: Signal, instrument: Instrument
) -> None:
    plenty = signal.base_size * signal.price.shifted(Decimal(100))
    account = an_account(equity=signal.master_equity, cash=plenty)
    policy = a_policy(guards=GuardPolicy(max_slippage_bps=Decimal(0)))
    outcome = sized(signal, account, policy, instrument)
    assert outcome.size == signal.base_size.floored(instrument.lot_step)


@given(prices, slippages, ticks)
@example(Decimal("60000.05"), Decimal(0), Decimal("0.1"))
def test_the_limit_price_is_on_the_tick_and_on_the_safe_side_of_the_slippage_bound(
    fill: Decimal, slippage: Decimal, tick: Decimal
) -> None:
    allowed = Fraction(slippage) / 10_000
    buy = Fraction(entry_limit(Price(fill, BTC_USD), Side.BUY, slippage, tick).amount)
    sell = Fraction(entry_limit(Price(fill, BTC_USD), Side.SELL, slippage, tick).amount)
    assert buy <= Fraction(fill) * (1 + allowed) < buy + Fraction(tick)
    assert sell - Fraction(tick) < Fraction(fill) * (1 - allowed) <= sell
    assert (buy / Fraction(tick)).denominator == (sell / Fraction(tick)).denominator == 1


@pytest.mark.parametrize(
    ("instrument", "words"),
    [
        (an_instrument(min_size=Decimal("0.06")), "0.05 BTC is below the venue's minimum of 0.06 BTC"),
        (an_instrument(min_cost=Decimal(5000)), "3015 USD is below the venue's minimum value of 5000 USD"),
    ],
)
def test_below_minimum_is_a_visible_skip(instrument: Instrument, words: str) -> None:
    outcome = size_entry(an_entry(), an_account(), a_policy(), instrument)
    assert isinstance(outcome, Skip)
    assert outcome.reason.startswith(f"below venue minimum: {words} (0.1 x 5,000/10,000 x 1.0 = 0.05")


@given(signals, accounts, policies, instruments, sizes)
def test_below_the_minimum_nothing_is_bumped_up(
    signal: Signal, account: Account, policy: UserPolicy, instrument: Instrument, minimum: Decimal
) -> None:
    without = sized(signal, account, policy, instrument)
    outcome = size_entry(signal, account, policy, replace(instrument, min_size=minimum))
    if without.size.amount < minimum:
        assert isinstance(outcome, Skip)
    else:
        assert isinstance(outcome, EntrySize)
        assert outcome.size == without.size


@pytest.mark.parametrize(
    ("signal", "account", "code", "reason"),
    [
        (
            an_entry(),
            an_account(equity=None),
            ReasonCode.BALANCE_UNKNOWN,
            "balance unknown: it has not been read yet",
        ),
        (
            an_entry(),
            an_account(cash=None, reason="EGeneral:Timeout"),
            ReasonCode.BALANCE_UNKNOWN,
            "balance unknown: EGeneral:Timeout",
        ),
        (
            an_entry(master_equity=usd(0)),
            an_account(),
            ReasonCode.NO_RATIO,
            "the master's equity is 0 USD: no ratio can be taken",
        ),
        (
            an_entry(),
            an_account(equity=Money(Decimal(5000), "EUR")),
            ReasonCode.NO_RATE,
            "the account's equity is counted in EUR, BTC/USD in USD: no rate is known",
        ),
    ],
)
def test_sizing_failure_skips(signal: Signal, account: Account, code: ReasonCode, reason: str) -> None:
    assert size_entry(signal, account, a_policy(), an_instrument()) == Skip(reason, code)


def test_no_money_is_a_skip_and_not_the_masters_size() -> None:
    outcome = size_entry(an_entry(), an_account(cash=usd(0)), a_policy(), an_instrument())
    assert isinstance(outcome, Skip)
    assert outcome.code is ReasonCode.INSUFFICIENT_FUNDS
    assert "available funds 0 less" in outcome.reason


@pytest.mark.parametrize(
    ("size", "limits", "code"),
    [
        ("0.00009", LimitPolicy(), ReasonCode.BELOW_MINIMUM),
        (
            "0.00009",
            LimitPolicy(max_order_quote=Decimal(1)),
            ReasonCode.BELOW_MINIMUM,
        ),  # too small without the limit too
        ("0.1", LimitPolicy(max_order_quote=Decimal(1)), ReasonCode.MAX_ORDER),
        ("0.1", LimitPolicy(max_order_pct=Decimal("0.01")), ReasonCode.MAX_ORDER),
        ("0.1", LimitPolicy(max_exposure_pct=Decimal("0.01")), ReasonCode.MAX_EXPOSURE),
        ("0.1", LimitPolicy(max_symbol_pct=Decimal("0.01")), ReasonCode.MAX_SYMBOL),
    ],
)
def test_an_entry_that_is_too_small_is_put_down_to_the_cap_that_made_it_so(
    size: str, limits: LimitPolicy, code: ReasonCode
) -> None:
    outcome = size_entry(an_entry(base_size=btc(size)), an_account(), a_policy(limits=limits), an_instrument())
    assert isinstance(outcome, Skip)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("limits", "size", "why"),
    [
        (LimitPolicy(max_order_pct=Decimal(10)), "0.00829187", "limits.max_order_pct 10 (500)"),
        (LimitPolicy(max_order_quote=Decimal(100)), "0.00165837", "limits.max_order_quote 100"),
        (
            LimitPolicy(max_order_pct=Decimal(10), max_order_quote=Decimal(100)),
            "0.00165837",
            "limits.max_order_quote 100",
        ),
        (
            LimitPolicy(max_order_pct=Decimal(1), max_order_quote=Decimal(100)),
            "0.00082918",
            "limits.max_order_pct 1 (50)",
        ),
    ],
)
def test_a_limit_cuts_the_order_and_says_so(limits: LimitPolicy, size: str, why: str) -> None:
    outcome = size_entry(an_entry(), an_account(), a_policy(limits=limits), an_instrument())
    assert isinstance(outcome, EntrySize)
    assert outcome.size == btc(size)
    assert f"by {why}" in outcome.reason
