"""Random followers, settings, signals and pairs, most of which let an entry pass: for properties of decisions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from shared.domain.account import AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import (
    BelowMinimum,
    GuardPolicy,
    LimitPolicy,
    OnLeave,
    SizingMode,
    SizingPolicy,
    SymbolPolicy,
    UserPolicy,
)
from shared.domain.limits.risk_state import RiskState
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.values.instrument import PairStatus
from shared.domain.values.money import Money
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

BTC_USDC, BTC_EUR, ETH_USD = Symbol("BTC", "USDC"), Symbol("BTC", "EUR"), Symbol("ETH", "USD")
LATER = NOW + 40
RUN = Control()


def some(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    """Return amounts in this range, with the bounds among them."""
    return st.decimals(low, high, places=places) | st.sampled_from([Decimal(low), Decimal(high)])


def rarely(usual: Any, other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return mostly a value that lets an entry pass; otherwise hardly any would reach its sizing."""
    return st.integers(0, 9).flatmap(lambda number: other if number == 9 else st.just(usual))


currencies = rarely("USD", st.sampled_from(["USDC", "EUR"]))
amounts = some("0", "1000000", 2) | st.just(Decimal("1E+20"))
moneys = st.builds(Money, amounts, currencies)
symbol_policies = rarely(
    SymbolPolicy(),
    st.builds(
        SymbolPolicy,
        include=st.sampled_from([frozenset(), frozenset({BTC_USD}), frozenset({BTC_USDC}), frozenset({ETH_USD})]),
        exclude=st.sampled_from([frozenset(), frozenset({BTC_USDC}), frozenset({ETH_USD})]),
        map=st.sampled_from([{}, {BTC_USD: BTC_USDC}, {BTC_USD: BTC_EUR}]),
    ),
)
limit_policies = rarely(
    LimitPolicy(),
    st.builds(
        LimitPolicy,
        max_order_pct=st.none() | some("0.01", "100", 2),
        max_order_quote=st.none() | some("0.01", "100000", 2),
        max_positions=st.none() | st.integers(1, 2),
        max_exposure_pct=st.none() | some("1", "100", 1),
        max_symbol_pct=st.none() | some("1", "100", 1),
        daily_loss_pct=st.none() | some("1", "20", 0),
        max_trades_per_day=st.none() | st.integers(1, 3),
    ),
)
policies = st.builds(
    UserPolicy,
    user=st.just("unnamed"),
    enabled=rarely(True, st.just(False)),
    venues=rarely(("kraken",), st.sampled_from([("coinbase",), ("coinbase", "kraken")])),
    sizing=st.builds(
        SizingPolicy,
        multiplier=some("0.01", "100", 2),
        below_minimum=st.sampled_from(BelowMinimum),
        mode=st.sampled_from(SizingMode),
        quote_amount=st.none() | some("0.01", "10000", 2),
    ),
    limits=limit_policies,
    guards=st.builds(GuardPolicy, max_signal_age_ms=st.integers(1, 60_000), max_slippage_bps=some("0", "1000", 2)),
    symbols=symbol_policies,
    on_leave=st.sampled_from(OnLeave),
)
positions = st.builds(
    lambda symbol, size, cost: Position(symbol, replace(btc(size), asset=symbol.base), usd(cost), NOW, NOW),
    st.sampled_from([BTC_USD, ETH_USD]),
    some("0.0001", "5", 4),
    some("0", "50000", 2),
)
portfolios = st.builds(
    lambda held, priced: Portfolio(
        {each.symbol: each for each in held}, {BTC_USD: btc_price(61_000)} if priced else {}
    ),
    st.lists(positions, max_size=2),
    st.booleans(),
)
risks = st.none() | st.builds(
    lambda trades, until: replace(
        RiskState.fresh("USD", NOW), trades_today=trades, stopped_until=until, stopped_reason="5 % lost"
    ),
    st.integers(0, 3),
    st.sampled_from([0, LATER, LATER + 1]),
)
accounts = rarely(an_account(), st.none()) | st.builds(
    an_account,
    state=rarely(AccountState.READY, st.sampled_from(AccountState)),
    reason=st.sampled_from(["", "EAPI:Invalid key", "gesperrt für heute"]),
    equity=moneys | rarely(usd(5000), st.none()),
    cash=rarely(usd(5000), st.none()) | moneys,
    taker_fee=some("0", "0.02", 5),
    as_of=rarely(NOW, st.sampled_from([0, LATER - 120_000, LATER - 120_001])),
)
switches = rarely((RUN, RUN, RUN), st.tuples(*[st.builds(Control, st.sampled_from(ControlMode))] * 3))
followers = st.builds(
    Follower,
    policy=st.just(a_policy()),  # settings and name are set below
    account=accounts,
    switches=switches,
    portfolio=portfolios,
    risk=risks,
    master_cash=st.none() | moneys,
    held=st.frozensets(st.sampled_from([BTC_USD, BTC_USDC, BTC_EUR, ETH_USD])),
    unreadable=rarely("", st.just("limits cannot be judged: RiskRecord.day")),
)
entries = st.builds(
    an_entry,
    base_size=st.builds(btc, some("0.00000001", "1000", 8) | st.just(Decimal("1E+20"))),
    price=st.builds(btc_price, some("0.00001", "200000", 5)),
    master_equity=rarely(usd(10_000), moneys | st.none()),
    equity_reason=st.sampled_from(["", "no price for 9,000 XYZ"]),
)
exits = st.builds(an_exit, fraction=st.sampled_from(["1", "0.37", "0.0001"]))
instruments = st.builds(
    an_instrument,
    lot_step=st.sampled_from([Decimal("1E-8"), Decimal("0.003"), Decimal(1)]),
    tick=st.sampled_from([Decimal("0.1"), Decimal("0.00001"), Decimal(1_000_000)]),
    min_size=some("0", "0.1", 5),
    min_cost=some("0", "10", 1),
    status=rarely(PairStatus.ONLINE, st.sampled_from(PairStatus)),
)
