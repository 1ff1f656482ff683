"""A signal that is copied at another venue than the master's: bounds by both prices, rules of the target, the same ratio."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.domain.control import Control
from shared.domain.copying.decision_plan import DecisionPlan, decide
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import GuardPolicy, SizingMode, SizingPolicy, SymbolPolicy, UserPolicy
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Money, Price
from shared.domain.values.symbol import Symbol
from tests.support.examples import (
    BTC_USD,
    NOW,
    a_policy,
    an_account,
    an_entry,
    an_exit,
    an_instrument,
    btc,
    btc_price,
    usd,
)

LATER = NOW + 40
BTC_USDC, BTC_EUR = Symbol("BTC", "USDC"), Symbol("BTC", "EUR")
ACROSS = a_policy(venues=("coinbase",), follow=(("kraken", "coinbase"),))
BRIDGED = replace(ACROSS, symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
TWO_PER_CENT = GuardPolicy(exit_slippage_bps=Decimal(200))


def at_coinbase(symbol: Symbol = BTC_USD, **changes: Any) -> Instrument:
    """Return a pair of another venue, with steps and minimums of its own."""
    usual = Instrument(symbol, Decimal("0.001"), Decimal("0.01"), Decimal("0.002"), Decimal(1))
    return replace(usual, **changes)


def a_follower(policy: UserPolicy = ACROSS, amount: str = "5000", **changes: Any) -> Follower:
    """Return alice with an account at Coinbase."""
    money = Money(Decimal(amount), policy.currency)
    account = an_account(equity=money, cash=money)._replace(venue="coinbase", taker_fee=Decimal("0.012"))
    return replace(Follower(policy, account, (Control(),), venue="coinbase"), **changes)


def copied(signal: Signal, policy: UserPolicy = ACROSS, price: str = "60000", **changes: Any) -> Decision:
    symbol = policy.symbols.mapped(BTC_USD)
    present = Price(Decimal(price), symbol)
    return decide(signal, a_follower(policy, **changes), at_coinbase(symbol), LATER, present)


def test_steps_minimums_and_fees_are_those_of_the_users_venue() -> None:
    decision = copied(an_entry(base_size=btc("0.0123")))
    assert decision.copy is not None
    assert decision.copy.base_size == btc("0.006")  # half of the master's, in steps of Coinbase
    assert decision.venue == "coinbase"
    small = copied(an_entry(base_size=btc("0.002")))  # its half is enough for Kraken
    assert (small.copy, small.code) == (None, ReasonCode.BELOW_MINIMUM)
    poor = copied(an_entry(base_size=btc("1")), held=frozenset())
    assert poor.copy is not None
    assert poor.copy.base_size == btc("0.081")  # 5,000 USD less 1.2 %, at 60,300
    assert "available funds" in poor.reason


@pytest.mark.parametrize(("price", "limit"), [("59000", "59295"), ("60000", "60300"), ("90000", "60300")])
def test_the_map_bridges_the_quotes_and_the_stricter_price_bounds(price: str, limit: str) -> None:
    decision = copied(an_entry(), BRIDGED, price)
    assert decision.copy is not None, decision.reason
    assert (decision.symbol, decision.copy.limit_price) == (BTC_USDC, Price(Decimal(limit), BTC_USDC))
    assert decision.copy.base_size == btc("0.05")


def test_an_amount_of_money_is_spent_at_the_stricter_price() -> None:
    fixed = replace(ACROSS, sizing=SizingPolicy(mode=SizingMode.FIXED_QUOTE, quote_amount=Decimal(590)))
    decision = copied(an_entry(), fixed, "58000")
    assert decision.copy is not None
    assert decision.copy.limit_price == btc_price("58290")
    assert decision.copy.base_size == btc("0.010")


def test_what_the_master_has_traded_at_its_venue_tells_nothing_of_the_same_pair_at_the_users() -> None:
    halted = at_coinbase(status=PairStatus.CANCEL_ONLY, as_of=0)
    decision = decide(an_entry(), a_follower(), halted, LATER, btc_price(60000))
    assert (decision.copy, decision.code) == (None, ReasonCode.PAIR_RESTRICTED)


def test_an_exit_carries_the_masters_price_as_the_bound_of_its_first_try() -> None:
    decision = copied(an_exit(fraction="0.5"), replace(ACROSS, guards=TWO_PER_CENT))
    assert decision.copy is not None
    assert (decision.copy.fraction, decision.copy.limit_price) == (Decimal("0.5"), btc_price("58800"))


def test_an_exit_at_the_masters_own_venue_carries_none() -> None:
    decision = decide(an_exit(), Follower(a_policy(), None, (), venue="kraken"), an_instrument(), LATER)
    assert decision.copy is not None
    assert decision.copy.limit_price is None


@pytest.mark.parametrize(("held", "least"), [(BTC_USDC, "58800"), (BTC_EUR, None)])
def test_the_bound_of_an_exit_is_in_the_money_in_which_it_sells(held: Symbol, least: str | None) -> None:
    decision = copied(an_exit(), held=frozenset({held}))
    assert decision.copy is not None
    assert decision.symbol == held
    assert decision.copy.limit_price == (None if least is None else Price(Decimal(least), held))


amounts = st.decimals(min_value=1, max_value=10**6, places=2)
sizes = st.decimals(min_value="0.001", max_value=100, places=4)
prices = st.decimals(min_value=1, max_value=200_000, places=2)


@given(sizes, amounts, amounts, prices, prices, st.sampled_from([ACROSS, BRIDGED]), st.integers(0, 1000))
def test_nobody_receives_more_than_the_ratio_nor_pays_more_than_both_bounds(
    size: Decimal, mine: Decimal, masters: Decimal, fill: Decimal, present: Decimal, policy: UserPolicy, slippage: int
) -> None:
    policy = replace(policy, guards=GuardPolicy(max_slippage_bps=Decimal(slippage)))
    signal = an_entry(base_size=btc(size), price=btc_price(fill), master_equity=usd(masters))
    decision = copied(signal, policy, str(present), amount=str(mine))
    if decision.copy is None:
        return
    assert decision.copy.base_size is not None
    assert decision.copy.limit_price is not None
    factor = 1 + Decimal(slippage) / 10_000
    assert decision.copy.base_size.amount * masters <= size * mine
    assert decision.copy.limit_price.amount <= min(fill, present) * factor
    assert decision.copy.base_size.amount * decision.copy.limit_price.amount <= mine


@given(st.booleans(), st.sampled_from(PairStatus), st.sampled_from(["1", "0.37"]))
def test_no_state_of_the_other_venue_keeps_an_exit_back(listed: bool, status: PairStatus, fraction: str) -> None:
    instrument = at_coinbase(status=status) if listed else None
    plan = DecisionPlan(an_exit(fraction=fraction), ACROSS, instrument, venue="coinbase", price=None)
    follower = a_follower(account=None)
    decision = plan.decision(follower, plan.judge(follower, LATER), LATER)
    assert decision.copy is not None
    assert decision.copy.fraction == Decimal(fraction)
