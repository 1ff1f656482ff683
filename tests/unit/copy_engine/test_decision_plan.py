"""One plan for many users decides and writes for each user what would be decided for that user alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given, settings, strategies as st

from services.copy_engine.decisions.order_writer import OrderWriter
from shared.contracts.messages import OrderMessage
from shared.domain.account import AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.copying.decision_plan import DecisionPlan, Judgement, decision_failed
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
from shared.domain.order import Decision
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument, PairStatus
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
from tests.support.plain_decision import decide_plainly
from tests.support.property_examples import scaled
from tests.support.wire_words import words_of

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


def judged(plan: DecisionPlan, follower: Follower, now: int) -> Judgement:
    """Judge as the fan-out does: what fails is a skip."""
    try:
        return plan.judge(follower, now)
    except ArithmeticError as error:
        return decision_failed(error)


def planned(
    signal: Signal, policy: UserPolicy, crowd: list[Follower], instrument: Instrument | None
) -> list[tuple[Follower, Decision, list[str], int]]:
    """Decide and write for users of one set of settings by one plan, each a little later than the one before."""
    plan = DecisionPlan(signal, policy, instrument, venue=policy.venue_for(signal.leader))
    writer = OrderWriter(plan, "7-0")
    found = []
    for number, follower in enumerate(crowd):
        one, now = replace(follower, policy=replace(policy, user=f"user-{number}")), LATER + number % 2
        judgement = judged(plan, one, now)
        words = words_of(writer.command(f"to {one.policy.user}", one, judgement, now))
        assert words[:3] == ["XADD", f"to {one.policy.user}", "7-0"]
        found.append((one, plan.decision(one, judgement, now), words[3:], now))
    return found


@settings(max_examples=scaled(400))
@given(entries | exits, policies, st.lists(followers, min_size=1, max_size=4), rarely(an_instrument(), instruments))
def test_a_planned_decision_is_what_would_be_decided_for_that_user_alone(
    signal: Signal, policy: UserPolicy, crowd: list[Follower], instrument: Instrument
) -> None:
    for follower, decision, _, now in planned(signal, policy, crowd, instrument):
        assert decision == decide_plainly(signal, follower, instrument, now)
        event("copied" if decision.copy else decision.reason.split(":")[0][:30])


@settings(max_examples=scaled(400))
@given(entries | exits, policies, st.lists(followers, min_size=1, max_size=4), rarely(an_instrument(), instruments))
def test_what_is_written_is_that_same_decision_word_for_word(
    signal: Signal, policy: UserPolicy, crowd: list[Follower], instrument: Instrument
) -> None:
    for _, decision, flat, _ in planned(signal, policy, crowd, instrument):
        written = dict(zip(flat[::2], flat[1::2], strict=True))
        assert list(written.items()) == list(OrderMessage.from_domain(decision).fields().items())


@settings(max_examples=scaled(400))
@given(entries | exits, policies, st.lists(followers, min_size=1, max_size=4))
def test_what_is_written_reads_back_to_that_same_decision(
    signal: Signal, policy: UserPolicy, crowd: list[Follower]
) -> None:
    for _, decision, flat, _ in planned(signal, policy, crowd, an_instrument()):
        quote = decision.symbol.quote  # the wire has amounts in the order's currency, whatever they were counted in
        read_back = replace(
            decision,
            master_equity=None if decision.master_equity is None else Money(decision.master_equity.amount, quote),
            user_equity=None if decision.user_equity is None else Money(decision.user_equity.amount, quote),
        )
        if decision.copy and decision.copy.base_size and decision.copy.base_size.amount == 0:
            continue  # no venue has a minimum of nothing, and no reader takes such an order
        assert OrderMessage.parse(dict(zip(flat[::2], flat[1::2], strict=True))).to_domain() == read_back


def test_users_of_one_plan_get_what_is_theirs() -> None:
    richer = Follower(a_policy("bob"), an_account("bob", equity=usd(10_000), cash=usd(10_000)), (RUN,))
    stopped = Follower(a_policy("carol"), an_account("carol"), (Control(ControlMode.PAUSE, "on holiday"),))
    plan = DecisionPlan(an_entry(), a_policy(), an_instrument(), venue="kraken")
    writer = OrderWriter(plan, "7-0")
    rows = [
        words_of(writer.command("s", each, plan.judge(each, LATER), LATER))[3:] for each in (richer, stopped, richer)
    ]
    read_back = [OrderMessage.parse(dict(zip(row[::2], row[1::2], strict=True))).to_domain() for row in rows]
    assert [(each.user, each.copy and each.copy.base_size) for each in read_back] == [
        ("bob", btc("0.1")),
        ("carol", None),
        ("bob", btc("0.1")),
    ]
    assert (read_back[1].reason, read_back[1].code) == ("pause is set: on holiday", ReasonCode.KILL_SWITCH)


def test_a_failure_in_what_users_share_is_no_failure_of_one_whom_something_else_had_skipped_before() -> None:
    plan = DecisionPlan(an_entry(), a_policy(), an_instrument(tick=Decimal(1_000_000)), venue="kraken")  # no price fits
    parked = Follower(a_policy(), an_account(state=AccountState.PARKED, reason="no key"), (RUN,))
    ready = replace(parked, account=an_account())
    for _ in range(2):
        assert plan.judge(parked, LATER) == Skip("account is parked: no key", ReasonCode.PARKED)
        with pytest.raises(ArithmeticError):
            plan.judge(ready, LATER)
