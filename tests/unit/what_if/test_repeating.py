"""A recorded decision comes out the same when it is repeated; leaving out any input that mattered is found."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, event, given, reject, settings, strategies as st

from services.copy_engine.decisions.input_recorder import InputRecorder
from services.copy_engine.decisions.order_writer import OrderWriter
from shared.config.users.settings_version import fingerprint, read_version, write_version
from shared.contracts.decision_inputs import INPUTS, read_inputs
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage, SignalMessage
from shared.domain.account import AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.copying.decision_plan import DecisionPlan, Judgement, decision_failed
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import FollowedMaster, LimitPolicy, SizingMode, SizingPolicy, UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.domain.order import Kind
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip
from shared.domain.stages.stage import Stage
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.what_if.recorded_decision import FieldDifference, RecordedDecision, find_differences
from tests.support.decision_examples import ETH_USD, LATER, entries, exits, followers, instruments, policies, rarely
from tests.support.examples import (
    BTC_USD,
    NOW,
    a_copied_entry,
    a_policy,
    an_account,
    an_entry,
    an_exit,
    an_instrument,
    btc,
    btc_price,
    usd,
)
from tests.support.property_examples import scaled
from tests.support.wire_words import words_of


def judged(plan: DecisionPlan, follower: Follower, refusal: str) -> Judgement:
    """Judge as the fan-out does."""
    try:
        found = plan.judge(follower, LATER)
    except Exception as error:  # noqa: BLE001  # as the engine
        found = decision_failed(error)
    return Skip(refusal, ReasonCode.CLOCK) if refusal and not isinstance(found, Skip) else found


def record(
    signal: Signal,
    follower: Follower,
    instrument: Instrument | None,
    price: Price | None = None,
    refusal: str = "",
    recorder: InputRecorder | None = None,
) -> dict[str, str]:
    """Write a decision as the engine does, and return the fields of its entry."""
    refusal = refusal if signal.kind is Kind.ENTRY else ""
    plan = DecisionPlan(signal, follower.policy, instrument, venue=follower.venue, price=price)
    recorder = recorder or InputRecorder(lambda policy: fingerprint(write_version(policy)))
    writer = OrderWriter(plan, "7-0", recorder.of_plan(plan, follower.policy, refusal))
    judgement = judged(plan, follower, refusal)
    words = words_of(writer.command("to alice", follower, judgement, LATER))[3:]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    assert fields == writer.fields(follower, judgement, LATER), "what is owed is what would have been written"
    return fields


def from_the_wire(signal: Signal) -> Signal:
    """Return a signal as the engine gets it."""
    try:
        return SignalMessage.parse(SignalMessage.from_domain(signal).fields()).to_domain()
    except MalformedMessageError:
        reject()


def read_back(fields: dict[str, str], signal: Signal, policy: UserPolicy) -> RecordedDecision:
    """Read a decision as what-if does, from texts alone."""
    message = OrderMessage.parse(fields)
    inputs = read_inputs(fields[INPUTS], message, policy.symbols.mapped(signal.symbol))
    assert inputs.settings == fingerprint(write_version(policy))
    return RecordedDecision("7-0", fields, message, from_the_wire(signal), policy, inputs)


@settings(max_examples=scaled(600))
@given(
    entries | exits,
    policies,
    followers,
    rarely(an_instrument(), st.none() | instruments),
    st.tuples(st.sampled_from(["kraken", "kraken", "kraken", "coinbase", None]), rarely(btc_price(60_010), st.none())),
    rarely("", st.just("the clock is 90 s slow")),
    st.sampled_from(["", "", "", "coinbase"]),
    rarely(Stage.FULL, st.sampled_from(Stage)),
)
def test_any_recorded_decision_repeats_word_for_word(
    signal: Signal,
    policy: UserPolicy,
    follower: Follower,
    instrument: Instrument | None,
    place: tuple[str | None, Price | None],
    refusal: str,
    moved: str,
    stage: Stage,
) -> None:
    venue, price = place
    if signal.kind is Kind.EXIT:
        follower = replace(follower, account=None, recorded_equity=usd("5000.10"))
    follower = replace(follower, policy=replace(policy, user="alice"), venue=venue, moved_from=moved, stage=stage)
    signal = from_the_wire(signal)
    fields = record(signal, follower, instrument, price, refusal)
    try:
        OrderMessage.parse(fields)
    except MalformedMessageError:
        assume(False)  # no reader takes such an order
    event(fields["decision"] if fields["decision"] != "skip" else fields["code"])
    assert find_differences(read_back(fields, signal, follower.policy)) == ()


_POSITION = Position(ETH_USD, replace(btc("1"), asset="ETH"), usd(4_000), NOW, NOW)
_LIMITED = a_policy(limits=LimitPolicy(max_positions=1, max_exposure_pct=Decimal(90), daily_loss_pct=Decimal(5)))
_STOPPED = replace(RiskState.fresh("USD", NOW), stopped_until=LATER + 60_000, stopped_reason="6 % lost")
_HELD = Portfolio({ETH_USD: _POSITION}, {ETH_USD: Price(Decimal(3_500), ETH_USD)})


def _follower(policy: UserPolicy | None = None, **changes: Any) -> Follower:
    made = Follower(policy or a_policy(), an_account(), (Control(),) * 3, venue="kraken")
    return replace(made, **changes)


CASES: dict[str, tuple[Signal, Follower, Instrument | None, Price | None, str]] = {
    "w": (an_entry(), _follower(), an_instrument(), None, ""),
    "i": (an_entry(), _follower(), an_instrument(), None, ""),
    "p": (
        an_entry(),
        _follower(a_policy(venues=("coinbase",)), venue="coinbase"),
        an_instrument(),
        btc_price(60_010),
        "",
    ),
    "x": (an_entry(), _follower(), an_instrument(), None, "the clock is 90 s slow"),
    "a": (an_entry(), _follower(), an_instrument(), None, ""),
    "b": (an_entry(), _follower(account=an_account(reason="polled")), an_instrument(), None, ""),
    "c": (an_entry(), _follower(switches=(Control(ControlMode.PAUSE, "holiday"),)), an_instrument(), None, ""),
    "h": (an_entry(), _follower(_LIMITED, portfolio=_HELD), an_instrument(), None, ""),
    "r": (an_entry(), _follower(_LIMITED, risk=_STOPPED), an_instrument(), None, ""),
    "m": (
        an_entry(),
        _follower(a_policy(sizing=SizingPolicy(mode=SizingMode.CASH)), master_cash=usd(8_000)),
        an_instrument(),
        None,
        "",
    ),
    "k": (an_exit(), _follower(account=None, held=frozenset({Symbol("BTC", "USDC")})), None, None, ""),
    "n": (an_entry(), _follower(moved_from="coinbase"), an_instrument(), None, ""),
    "u": (an_entry(), _follower(unreadable="RiskRecord.day"), an_instrument(), None, ""),
    "g": (an_entry(), _follower(stage=Stage.QUARTER), an_instrument(), None, ""),
}


@pytest.mark.parametrize("key", CASES)
def test_an_input_that_is_left_out_is_found(key: str) -> None:
    signal, follower, instrument, price, refusal = CASES[key]
    fields = record(signal, follower, instrument, price, refusal)
    assert find_differences(read_back(fields, signal, follower.policy)) == ()
    inputs = json.loads(fields[INPUTS])
    del inputs[key]
    assert find_differences(read_back({**fields, INPUTS: json.dumps(inputs)}, signal, follower.policy))


@pytest.mark.parametrize("place", range(4))
def test_every_rule_of_a_pair_is_an_input(place: int) -> None:
    policy = a_policy(sizing=SizingPolicy(multiplier=Decimal("0.000001")))
    odd = an_instrument(lot_step=Decimal("0.003"), tick=Decimal("0.7"), min_size=Decimal("0.0004"), min_cost=Decimal(7))
    one = record(an_entry(), _follower(), odd)
    small = record(an_entry(base_size=btc("0.0001"), quote_size=usd(6)), _follower(policy), odd)
    changed: list[FieldDifference] = []
    for fields, signal, by in (
        (one, an_entry(), a_policy()),
        (small, an_entry(base_size=btc("0.0001"), quote_size=usd(6)), policy),
    ):
        inputs = json.loads(fields[INPUTS])
        inputs["i"][place] = "0.00001"
        changed += find_differences(read_back({**fields, INPUTS: json.dumps(inputs)}, signal, by))
    assert changed or place == 3, "the least cost only decides where the least size does not"


def test_the_books_of_a_position_are_inputs() -> None:
    policy = a_policy(masters=(FollowedMaster("swing", "kraken", Decimal(40)),))
    book = Position(BTC_USD, btc("0.03"), usd(1_800), NOW, NOW)
    main = Position(BTC_USD, btc("0.01"), usd(600), NOW, NOW)
    held = Portfolio(
        {BTC_USD: Position.of_books(BTC_USD, {"": main, "swing": book}, NOW)}, {BTC_USD: btc_price(61_000)}
    )
    signal = an_entry(master="swing")
    fields = record(signal, _follower(policy, portfolio=held), an_instrument())
    assert "follow.swing.share_pct" in fields["reason"]
    assert find_differences(read_back(fields, signal, policy)) == ()
    assert read_version("alice", write_version(policy)) == policy
    inputs = json.loads(fields[INPUTS])
    inputs["h"]["BTC/USD"].pop()
    assert find_differences(read_back({**fields, INPUTS: json.dumps(inputs)}, signal, policy))


def test_a_restricted_pair_is_recorded_with_the_instant_of_its_status() -> None:
    for as_of in (NOW - 1, NOW + 1):
        signal, pair = an_entry(), an_instrument(status=PairStatus.CANCEL_ONLY, as_of=as_of)
        assert find_differences(read_back(record(signal, _follower(), pair), signal, a_policy())) == ()


def test_the_text_of_an_account_is_not_kept_when_the_account_has_changed() -> None:
    recorder = InputRecorder(lambda policy: fingerprint(write_version(policy)))
    for cash in (1_000, 2_000, 2_000):
        follower = _follower(account=an_account(cash=usd(cash)))
        fields = record(an_entry(), follower, an_instrument(), recorder=recorder)
        assert find_differences(read_back(fields, an_entry(), a_policy())) == ()


def test_a_failure_to_write_inputs_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = record(an_entry(), _follower(), an_instrument())
    monkeypatch.setattr("services.copy_engine.decisions.input_recorder.write_account", lambda _: 1 / 0)
    assert record(an_entry(), _follower(), an_instrument()) == {**expected, INPUTS: ""}


def test_inputs_hold_nothing_that_names_the_user() -> None:
    fields = record(an_entry(), _follower(), an_instrument())
    assert "alice" not in fields[INPUTS]
    assert "alice" not in write_version(a_policy("alice"))


@given(policies)
def test_a_version_of_settings_reads_back_equal(policy: UserPolicy) -> None:
    version = write_version(policy)
    read = read_version("unnamed", version)
    if read is None:
        event("no file may say so")
        return
    assert write_version(read) == version


def test_what_the_engine_knew_of_a_file_and_of_follow_is_part_of_a_version() -> None:
    policy = a_policy(
        fault="line 3",
        waiting=(("kraken", "it is sold first"),),
        former_masters=(("coinbase", "kraken"),),
        known_masters=(("swing", "kraken"),),
    )
    assert read_version("alice", write_version(policy)) == policy
    assert write_version(policy) != write_version(a_policy())


def test_a_version_that_cannot_be_read_is_none() -> None:
    assert read_version("alice", "{") is None
    assert read_version("alice", '{"settings": {"unknown": 1}}') is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"w":"kraken"}',
        '{"s":"a","a":["5 USD"]}',
        '{"s":"a","i":["x","1","1","1"]}',
        '{"s":"a","h":[1]}',
    ],
)
def test_inputs_that_cannot_be_read_say_so(text: str) -> None:
    with pytest.raises(MalformedMessageError, match="inputs"):
        read_inputs(text, OrderMessage.from_domain(a_copied_entry()), BTC_USD)


def test_a_parked_account_keeps_its_reason_whatever_its_characters() -> None:
    reason = 'EAPI:"Invalid" \\ key\nfür heute ☃'
    follower = _follower(account=an_account(state=AccountState.PARKED, reason=reason))
    fields = record(an_entry(), follower, an_instrument())
    assert find_differences(read_back(fields, an_entry(), a_policy())) == ()
