"""One decision per user: every reason to skip an entry, and that nothing skips an exit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.domain.account import Account, AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.copying.decision_plan import decide, decide_skip
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import GuardPolicy, SymbolPolicy, UserPolicy
from shared.domain.order import Copy, Kind, Side, order_id
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument, PairStatus
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
RUN = Control()


def a_follower(**changes: Any) -> Follower:
    """Return alice, ready, with no kill switch set."""
    return replace(Follower(a_policy(), an_account(), (RUN, RUN)), **changes)


def test_an_entry_is_copied_with_its_size_its_bound_and_its_last_moment() -> None:
    signal = an_entry()
    policy = a_policy(guards=GuardPolicy(max_signal_age_ms=15_000, max_slippage_bps=Decimal(20)))
    decision = decide(signal, a_follower(policy=policy), an_instrument(), LATER)
    assert decision.copy == Copy(btc("0.05"), None, btc_price(60120), NOW + 15_000)
    assert decision.id == order_id(signal.id, "alice", "kraken")
    assert (decision.signal_id, decision.user, decision.venue) == (signal.id, "alice", "kraken")
    assert (decision.side, decision.kind) == (Side.BUY, Kind.ENTRY)
    assert (decision.master_equity, decision.user_equity) == (usd(10000), usd(5000))
    assert (decision.signal_at, decision.emitted_at) == (NOW, LATER)
    assert decision.reason.startswith("0.1 x 5,000/10,000 x 1.0 = 0.05")


@pytest.mark.parametrize(
    ("follower", "code", "reason"),
    [
        (
            a_follower(policy=a_policy(venues=("coinbase",))),
            ReasonCode.VENUE_NOT_FOLLOWED,
            "follows on coinbase, not on kraken",
        ),
        (a_follower(account=None), ReasonCode.NOT_CONNECTED, "account at kraken is not connected yet"),
        (
            a_follower(account=an_account(state=AccountState.PARKED, reason="EAPI:Invalid key")),
            ReasonCode.PARKED,
            "account is parked: EAPI:Invalid key",
        ),
    ],
)
def test_a_user_who_cannot_take_an_entry_is_skipped_with_a_code_for_programs_and_a_sentence_for_people(
    follower: Follower, code: ReasonCode, reason: str
) -> None:
    decision = decide(an_entry(), follower, an_instrument(), LATER)
    assert (decision.copy, decision.code, decision.reason) == (None, code, reason)


@pytest.mark.parametrize(
    ("follower", "code"),
    [
        (a_follower(switches=(Control(ControlMode.PAUSE), RUN)), ReasonCode.KILL_SWITCH),
        (a_follower(switches=(RUN, Control(ControlMode.PAUSE, "on holiday"))), ReasonCode.KILL_SWITCH),
        (a_follower(switches=(RUN, Control(ControlMode.CLOSE_ONLY))), ReasonCode.KILL_SWITCH),
        (a_follower(switches=(Control(ControlMode.HALT), RUN)), ReasonCode.KILL_SWITCH),
        (a_follower(account=an_account(state=AccountState.CONNECTING)), ReasonCode.NOT_CONNECTED),
        (a_follower(account=an_account(equity=None)), ReasonCode.BALANCE_UNKNOWN),
        (a_follower(account=an_account(cash=None, reason="timeout")), ReasonCode.BALANCE_UNKNOWN),
    ],
)
def test_every_guard_of_an_entry_has_its_code(follower: Follower, code: ReasonCode) -> None:
    decision = decide(an_entry(), follower, an_instrument(), LATER)
    assert (decision.copy, decision.code) == (None, code)
    assert decision.reason


@pytest.mark.parametrize(
    ("instrument", "code", "reason"),
    [
        (None, ReasonCode.NOT_TRADED, "BTC/USD is not traded on kraken"),
        (
            an_instrument(status=PairStatus.CANCEL_ONLY),
            ReasonCode.PAIR_RESTRICTED,
            "kraken has BTC/USD in cancel_only mode",
        ),
        (
            an_instrument(status=PairStatus.POST_ONLY),
            ReasonCode.PAIR_RESTRICTED,
            "kraken has BTC/USD in post_only mode",
        ),
        (
            an_instrument(status=PairStatus.REDUCE_ONLY),
            ReasonCode.PAIR_RESTRICTED,
            "kraken has BTC/USD in reduce_only mode",
        ),
    ],
)
def test_an_entry_that_the_venue_would_not_take_is_skipped(
    instrument: Instrument | None, code: ReasonCode, reason: str
) -> None:
    decision = decide(an_entry(), a_follower(), instrument, LATER)
    assert (decision.copy, decision.code, decision.reason) == (None, code, reason)


def test_a_halt_is_over_where_the_master_has_bought_since_the_venues_list_was_read() -> None:
    entry = an_entry()
    before, after = entry.filled_at - 1, entry.filled_at
    halted = an_instrument(status=PairStatus.CANCEL_ONLY)
    assert decide(entry, a_follower(), replace(halted, as_of=before), LATER).copy is not None
    assert decide(entry, a_follower(), replace(halted, as_of=after), LATER).copy is None


def test_what_the_master_has_bought_tells_nothing_of_the_pair_that_a_user_trades_instead() -> None:
    other = Symbol("BTC", "USDC")
    follower = a_follower(policy=a_policy(symbols=SymbolPolicy(map={BTC_USD: other})))
    halted = an_instrument(symbol=other, status=PairStatus.CANCEL_ONLY, as_of=0)
    assert decide(an_entry(), follower, halted, LATER).code == ReasonCode.PAIR_RESTRICTED


@pytest.mark.parametrize("status", [PairStatus.ONLINE, PairStatus.LIMIT_ONLY])
def test_an_entry_that_the_venue_takes_is_copied(status: PairStatus) -> None:
    assert decide(an_entry(), a_follower(), an_instrument(status=status), LATER).copy is not None


@pytest.mark.parametrize(
    ("signal", "account"),
    [
        (an_entry(master_equity=usd(0)), an_account()),
        (an_entry(), an_account(equity=usd(0), cash=usd(0))),
        (an_entry(), an_account(equity=usd("0.01"), cash=usd("0.01"))),
    ],
)
def test_a_size_that_cannot_be_had_is_a_skip(signal: Signal, account: Account) -> None:
    decision = decide(signal, a_follower(account=account), an_instrument(), LATER)
    assert decision.copy is None
    assert decision.reason


followers = st.builds(
    Follower,
    policy=st.sampled_from([a_policy(), a_policy(venues=("coinbase",))]),
    account=st.none()
    | st.builds(
        an_account,
        state=st.sampled_from(AccountState),
        equity=st.sampled_from([None, usd(0), usd(5000)]),
        cash=st.sampled_from([None, usd(0), usd(5000)]),
    ),
    switches=st.tuples(*[st.builds(Control, st.sampled_from(ControlMode))] * 2),
)
pairs = st.none() | st.builds(an_instrument, status=st.sampled_from(PairStatus))


@given(followers, pairs, st.sampled_from(["1", "0.37", "0.0001"]), st.integers(min_value=NOW, max_value=2 * NOW))
def test_an_exit_is_always_copied_and_never_ages(
    follower: Follower, instrument: Instrument | None, fraction: str, now: int
) -> None:
    decision = decide(an_exit(fraction=fraction), follower, instrument, now)
    assert (decision.side, decision.kind) == (Side.SELL, Kind.EXIT)
    if follower.policy.venue_for("kraken") is None:  # what is held there, if anything, is not of this master
        assert (decision.copy, decision.code) == (None, ReasonCode.VENUE_NOT_FOLLOWED)
        return
    assert decision.copy == Copy(base_size=None, fraction=Decimal(fraction), limit_price=None, not_after=None)


@pytest.mark.parametrize(
    ("fraction", "reason"),
    [
        ("1", "the master sold its whole position"),
        ("0.37", "the master sold 37 % of its position"),
        ("0.3333333333333333", "the master sold 33.33 % of its position"),
        ("0.00001", "the master sold less than 0.01 % of its position"),
    ],
)
def test_an_exit_says_how_much_the_master_sold(fraction: str, reason: str) -> None:
    assert decide(an_exit(fraction=fraction), a_follower(), None, LATER).reason == reason


@given(followers, pairs)
def test_an_entry_is_only_copied_for_a_ready_account_that_follows_with_nothing_stopped(
    follower: Follower, instrument: Instrument | None
) -> None:
    decision = decide(an_entry(), follower, instrument, LATER)
    may = (
        "kraken" in follower.policy.venues
        and all(switch.mode is ControlMode.RUN for switch in follower.switches)
        and follower.account is not None
        and follower.account.state is AccountState.READY
        and follower.account.equity == follower.account.cash == usd(5000)
        and instrument is not None
        and instrument.status in {PairStatus.ONLINE, PairStatus.LIMIT_ONLY}
    )
    assert (decision.copy is not None) is may
    assert decision.reason


@given(
    st.decimals(min_value="0.001", max_value=100, places=4),
    st.decimals(min_value=1, max_value=10**6, places=2),
    st.decimals(min_value=1, max_value=10**6, places=2),
)
def test_nobody_receives_the_masters_size_but_by_his_own_ratio(size: Decimal, mine: Decimal, masters: Decimal) -> None:
    signal = an_entry(base_size=btc(size), master_equity=usd(masters))
    account = an_account(equity=usd(mine), cash=usd(mine))
    decision = decide(signal, a_follower(account=account), an_instrument(), LATER)
    if decision.copy is not None:
        assert decision.copy.base_size is not None
        assert decision.copy.base_size.amount * masters <= size * mine


def test_a_skip_keeps_what_is_known_of_the_user_and_never_a_size() -> None:
    because = Skip("because", ReasonCode.CLOCK)
    decision = decide_skip(an_entry(), a_follower(account=None), because, LATER)
    assert (decision.copy, decision.reason, decision.user_equity) == (None, "because", None)
    assert decision.code == ReasonCode.CLOCK


def test_a_decision_to_copy_has_no_code() -> None:
    assert decide(an_entry(), a_follower(), an_instrument(), LATER).code == ""
    assert decide(an_exit(), a_follower(), an_instrument(), LATER).code == ""


def test_two_users_get_two_orders_of_one_signal() -> None:
    policies: list[UserPolicy] = [a_policy("alice"), a_policy("bob")]
    ids = {decide(an_entry(), a_follower(policy=policy), an_instrument(), LATER).id for policy in policies}
    assert len(ids) == 2


def test_an_account_whose_key_has_no_pass_takes_no_entry_and_every_exit() -> None:
    """Issue 13, part 5: with real money a pass of the key's check counts for a day; exits need none."""
    late = a_follower(account=an_account(entries_until=LATER - 1))
    decision = decide(an_entry(), late, an_instrument(), LATER)
    assert (decision.copy, decision.code) == (None, ReasonCode.KEY_UNCHECKED)
    assert "ops doctor" in decision.reason
    held = replace(late, held=frozenset({BTC_USD}))
    assert decide(an_exit(), held, an_instrument(), LATER).copy is not None
    for until in (LATER, None):
        follower = a_follower(account=an_account(entries_until=until))
        assert decide(an_entry(), follower, an_instrument(), LATER).copy is not None
