"""One plan for many users decides and writes for each user what would be decided for that user alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import event, given, settings, strategies as st

from services.copy_engine.decisions.order_writer import OrderWriter
from shared.contracts.messages import OrderMessage
from shared.domain.account import AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.copying.decision_plan import DecisionPlan, Judgement, decision_failed
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import (
    UserPolicy,
)
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Money
from tests.support.decision_examples import LATER, RUN, entries, exits, followers, instruments, policies, rarely
from tests.support.examples import (
    a_policy,
    an_account,
    an_entry,
    an_instrument,
    btc,
    usd,
)
from tests.support.plain_decision import decide_plainly
from tests.support.property_examples import scaled
from tests.support.wire_words import words_of


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
