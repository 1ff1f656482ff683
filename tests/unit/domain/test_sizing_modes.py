"""The four ways of sizing, what becomes of what is too small, and the arithmetic that every decision carries."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from shared.domain.account import Account
from shared.domain.limits.policy import (
    BelowMinimum,
    GuardPolicy,
    LimitPolicy,
    SizingMode,
    SizingPolicy,
    SymbolPolicy,
    UserPolicy,
)
from shared.domain.order import Side
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.sizing import EntrySize, Skip, entry_limit, size_entry
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, a_policy, an_account, an_entry, an_instrument, btc, btc_price, usd

BTC_USDC = Symbol("BTC", "USDC")
ONE = Decimal(1)


def a_mode(mode: SizingMode, multiplier: str = "1", quote: str | None = None, **changes: Any) -> UserPolicy:
    """Return alice with another way of sizing."""
    sizing = SizingPolicy(
        multiplier=Decimal(multiplier),
        below_minimum=BelowMinimum.SKIP,
        mode=mode,
        quote_amount=None if quote is None else Decimal(quote),
    )
    return a_policy(sizing=sizing, **changes)


def rounding_up(pct: str, **more: Any) -> UserPolicy:
    """Return alice with `round_up` and this `max_order_pct`."""
    sizing = SizingPolicy(below_minimum=BelowMinimum.ROUND_UP)
    return a_policy(sizing=sizing, limits=LimitPolicy(max_order_pct=Decimal(pct), **more))


@pytest.mark.parametrize(
    ("policy", "size", "arithmetic"),
    [
        (a_mode(SizingMode.EQUITY), "0.05", "0.1 x 5,000/10,000 x 1.0 = 0.05"),
        (a_mode(SizingMode.EQUITY, "0.25"), "0.0125", "0.1 x 5,000/10,000 x 0.25 = 0.0125"),
        (a_mode(SizingMode.CASH), "0.0625", "0.1 x 5,000/8,000 x 1.0 = 0.0625"),
        (a_mode(SizingMode.MULTIPLIER, "0.3"), "0.03", "0.1 x 0.3 = 0.03"),
        (a_mode(SizingMode.FIXED_QUOTE, "2", "250.50"), "0.00830845", "250.50 x 2.0 / 60300 = 0.00830846"),
    ],
)
def test_each_mode_scales_by_its_own_measure_and_shows_it(policy: UserPolicy, size: str, arithmetic: str) -> None:
    outcome = size_entry(an_entry(), an_account(), policy, an_instrument(), master_cash=usd(8000))
    assert isinstance(outcome, EntrySize)
    assert outcome.size == btc(size)
    assert outcome.reason == f"{arithmetic}, floored to {size}; min 0.00005"


def test_the_arithmetic_has_the_form_that_people_are_promised() -> None:
    signal = an_entry(base_size=btc("0.0123"))
    account = an_account(equity=usd(1000), cash=usd(1000))
    outcome = size_entry(signal, account, a_policy(), an_instrument(lot_step=Decimal("0.00002")))
    assert isinstance(outcome, EntrySize)
    assert outcome.reason == "0.0123 x 1,000/10,000 x 1.0 = 0.00123, floored to 0.00122; min 0.00005"


@pytest.mark.parametrize(
    ("cash", "code", "words"),
    [
        (None, ReasonCode.MASTER_CASH_UNKNOWN, "the master's cash is not known: no ratio can be taken"),
        (usd(0), ReasonCode.NO_RATIO, "the master's cash is 0 USD: no ratio can be taken"),
    ],
)
def test_cash_mode_without_the_masters_cash_is_a_skip(cash: Money | None, code: ReasonCode, words: str) -> None:
    outcome = size_entry(an_entry(), an_account(), a_mode(SizingMode.CASH), an_instrument(), master_cash=cash)
    assert outcome == Skip(words, code)


def test_a_master_without_equity_stops_only_those_who_are_sized_by_it() -> None:
    signal = an_entry(master_equity=usd(0))
    assert isinstance(size_entry(signal, an_account(), a_mode(SizingMode.EQUITY), an_instrument()), Skip)
    assert isinstance(
        size_entry(signal, an_account(), a_mode(SizingMode.MULTIPLIER, "0.1"), an_instrument()), EntrySize
    )


def test_a_fixed_amount_that_is_missing_is_a_skip_and_not_the_masters_size() -> None:
    outcome = size_entry(an_entry(), an_account(), a_mode(SizingMode.FIXED_QUOTE), an_instrument())
    assert outcome == Skip(
        "sizing.mode is fixed_quote, but sizing.quote_amount is not set", ReasonCode.SETTINGS_UNUSABLE
    )


def test_round_up_takes_the_venues_minimum_and_says_so() -> None:
    signal = an_entry(base_size=btc("0.00001"))
    outcome = size_entry(signal, an_account(), rounding_up("10"), an_instrument())
    assert isinstance(outcome, EntrySize)
    assert outcome.size == btc("0.00005")
    assert outcome.reason.endswith("floored to 0.000005; min 0.00005, rounded up to 0.00005 by sizing.below_minimum")


def test_round_up_reaches_the_minimum_value_too() -> None:
    instrument = an_instrument(lot_step=Decimal("0.00001"), min_size=Decimal(0), min_cost=Decimal(5))
    outcome = size_entry(an_entry(base_size=btc("0.00001")), an_account(), rounding_up("10"), instrument)
    assert isinstance(outcome, EntrySize)
    assert outcome.size == btc("0.00009")  # 5 / 60300 = 0.0000829...
    assert (outcome.size * outcome.limit_price).amount >= 5


@pytest.mark.parametrize(
    ("policy", "account", "why"),
    [
        (rounding_up("0.05"), an_account(), "above limits.max_order_pct 0.05 (2.50)"),
        (rounding_up("50"), an_account(cash=usd(3)), "above available funds 3 less fee"),
        (rounding_up("50", max_order_quote=Decimal(2)), an_account(), "above limits.max_order_quote 2"),
    ],
)
def test_round_up_never_passes_a_limit_or_the_balance(policy: UserPolicy, account: Account, why: str) -> None:
    outcome = size_entry(an_entry(base_size=btc("0.00001")), account, policy, an_instrument())
    assert isinstance(outcome, Skip)
    assert outcome.code is ReasonCode.BELOW_MINIMUM
    assert f"not rounded up to 0.00005, which is {why}" in outcome.reason


def test_a_mapped_symbol_is_bought_with_its_own_currency_at_the_masters_price() -> None:
    policy = a_policy(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    account = an_account(equity=Money(Decimal(5000), "USDC"), cash=Money(Decimal(5000), "USDC"))
    outcome = size_entry(an_entry(), account, policy, an_instrument(symbol=BTC_USDC))
    assert isinstance(outcome, EntrySize)
    assert outcome.size == btc("0.05")
    assert (outcome.limit_price.amount, outcome.limit_price.symbol) == (Decimal(60300), BTC_USDC)


def test_dollars_do_not_pay_for_what_is_quoted_in_the_dollars_coin() -> None:
    policy = a_policy(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    outcome = size_entry(an_entry(), an_account(), policy, an_instrument(symbol=BTC_USDC))
    assert outcome == Skip(
        "BTC/USDC is paid in USDC, but the account's cash is counted in USD", ReasonCode.CURRENCY_MISMATCH
    )


def test_no_rate_is_made_up_between_currencies_that_are_not_alike() -> None:
    euros = Symbol("BTC", "EUR")
    policy = a_policy(symbols=SymbolPolicy(map={BTC_USD: euros}))
    account = an_account(equity=Money(Decimal(5000), "EUR"), cash=Money(Decimal(5000), "EUR"))
    outcome = size_entry(an_entry(), account, policy, an_instrument(symbol=euros))
    assert outcome == Skip("BTC/EUR is priced in EUR, the master's fill in USD: no rate is known", ReasonCode.NO_RATE)


@pytest.mark.parametrize("side", Side)
def test_slippage_guard_at_the_boundary(side: Side) -> None:
    """The bound itself is inside: a limit order fills there, and not one tick beyond."""
    tick = Decimal("0.1")
    bound = {Side.BUY: "60300", Side.SELL: "59700"}[side]
    beyond = {Side.BUY: "60000.1", Side.SELL: "59999.9"}[side]
    assert entry_limit(btc_price(60000), side, Decimal(50), tick) == btc_price(bound)
    assert entry_limit(btc_price(60000), side, Decimal(0), tick) == btc_price(60000)
    almost = entry_limit(btc_price(60000), side, Decimal("0.016"), tick)  # 0.096 USD: less than a tick
    assert almost == btc_price(60000)
    assert entry_limit(btc_price(60000), side, Decimal("0.0166666667"), tick) == btc_price(beyond)


money = st.decimals(min_value=0, max_value=10**6, places=2)
percents = st.decimals(min_value="0.01", max_value=100, places=2)
modes = st.builds(
    lambda mode, times, low, quote, pct, most, slippage: a_policy(
        sizing=SizingPolicy(multiplier=times, below_minimum=low, mode=mode, quote_amount=quote),
        limits=LimitPolicy(max_order_pct=pct, max_order_quote=most),
        guards=GuardPolicy(max_slippage_bps=slippage),
    ),
    st.sampled_from(SizingMode),
    st.decimals(min_value="0.01", max_value=100, places=2),
    st.sampled_from(BelowMinimum),
    st.decimals(min_value="0.01", max_value=10**5, places=2),
    percents,
    st.none() | st.decimals(min_value="0.01", max_value=10**6, places=2),
    st.decimals(min_value=0, max_value=500, places=1),
)
signals = st.builds(
    lambda size, price, equity: an_entry(base_size=btc(size), price=btc_price(price), master_equity=usd(equity)),
    st.decimals(min_value="0.00000001", max_value=1_000, places=8),
    st.decimals(min_value=1, max_value=200_000, places=2),
    st.decimals(min_value="0.01", max_value=10**6, places=2),
)
instruments = st.builds(
    lambda lot, least, cost: an_instrument(lot_step=lot, tick=Decimal("0.01"), min_size=least, min_cost=cost),
    st.sampled_from([Decimal(text) for text in ("0.00000001", "0.00001", "0.1", "0.003", "1")]),
    st.sampled_from([Decimal(text) for text in ("0", "0.00005", "0.5", "2")]),
    st.sampled_from([Decimal(text) for text in ("0", "0.5", "10")]),
)


@given(modes, signals, instruments, money, money, st.decimals(min_value="0.01", max_value=10**6, places=2))
def test_no_mode_and_no_rounding_passes_a_limit_or_the_balance(
    policy: UserPolicy, signal: Signal, instrument: Instrument, equity: Decimal, cash: Decimal, masters: Decimal
) -> None:
    account = an_account(equity=usd(equity), cash=usd(cash))
    outcome = size_entry(signal, account, policy, instrument, master_cash=usd(masters))
    assume(isinstance(outcome, EntrySize))
    assert isinstance(outcome, EntrySize)
    cost = Fraction(outcome.size.amount) * Fraction(outcome.limit_price.amount)
    assert cost * (1 + Fraction(account.taker_fee)) <= Fraction(cash)
    assert cost <= Fraction(equity) * Fraction(policy.limits.max_order_pct or 0) / 100
    assert policy.limits.max_order_quote is None or cost <= Fraction(policy.limits.max_order_quote)
    assert (Fraction(outcome.size.amount) / Fraction(instrument.lot_step)).denominator == 1
    assert not instrument.below_minimum(outcome.size, outcome.limit_price)


@given(modes, signals, instruments, money)
def test_only_who_asks_for_it_is_ever_rounded_up_and_then_to_the_minimum_alone(
    policy: UserPolicy, signal: Signal, instrument: Instrument, equity: Decimal
) -> None:
    account = an_account(equity=usd(equity), cash=usd(equity))
    outcome = size_entry(signal, account, policy, instrument, master_cash=usd(5000))
    assume(isinstance(outcome, EntrySize))
    assert isinstance(outcome, EntrySize)
    assert signal.master_equity is not None
    asked, times = Fraction(signal.base_size.amount), Fraction(policy.sizing.multiplier)
    share = {
        SizingMode.EQUITY: asked * Fraction(equity) / Fraction(signal.master_equity.amount) * times,
        SizingMode.CASH: asked * Fraction(equity) / 5000 * times,
        SizingMode.MULTIPLIER: asked * times,
        SizingMode.FIXED_QUOTE: Fraction(policy.sizing.quote_amount or 0)
        * times
        / Fraction(outcome.limit_price.amount),
    }[policy.sizing.mode]
    if "rounded up to" in outcome.reason:
        assert policy.sizing.below_minimum is BelowMinimum.ROUND_UP
        assert outcome.size == instrument.least(outcome.limit_price)
    else:
        assert Fraction(outcome.size.amount) <= share * (1 + Fraction(1, 10**25))  # quotients have 28 digits


@given(instruments, st.decimals(min_value="0.01", max_value=200_000, places=2))
def test_the_least_size_is_one_lot_above_what_the_venue_refuses(instrument: Instrument, price: Decimal) -> None:
    least = instrument.least(btc_price(price))
    assert not instrument.below_minimum(least, btc_price(price))
    less = btc(least.amount - instrument.lot_step)
    assert less.amount < 0 or instrument.below_minimum(less, btc_price(price)) or least.amount == 0
