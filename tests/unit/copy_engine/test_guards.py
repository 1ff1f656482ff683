"""Guards of an entry at their boundaries, and that no guard holds back an exit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts.messages import OrderMessage
from shared.domain.account import Account
from shared.domain.control import Control, ControlMode
from shared.domain.copying.decision_plan import decide
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import (
    FileState,
    GuardPolicy,
    OnLeave,
    SymbolPolicy,
    UserPolicy,
)
from shared.domain.order import Copy
from shared.domain.reason import ReasonCode
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_exit, an_instrument

ETH_USD, SOL_USD = Symbol("ETH", "USD"), Symbol("SOL", "USD")
BTC_USDC = Symbol("BTC", "USDC")
RUN = Control()


def a_follower(policy: UserPolicy | None = None, account: Account | None = None) -> Follower:
    """Return alice, ready, with no kill switch set."""
    return Follower(policy or a_policy(), account or an_account(), (RUN, RUN, RUN))


def test_age_guard_at_the_boundary() -> None:
    """An entry may go out up to the very millisecond of its age, and an exit for ever; all of it in milliseconds."""
    policy = a_policy(guards=GuardPolicy(max_signal_age_ms=24_000))
    entry = decide(an_entry(), a_follower(policy), an_instrument(), NOW + 40).copy
    close = decide(an_exit(), a_follower(policy), an_instrument(), NOW + 40).copy
    assert entry is not None
    assert close is not None
    assert entry.not_after == NOW + 24_000
    assert close.not_after is None


@pytest.mark.parametrize(("bps", "limit"), [("50", "60300"), ("0", "60000"), ("0.01", "60000"), ("0.02", "60000.1")])
def test_slippage_guard_at_the_boundary(bps: str, limit: str) -> None:
    policy = a_policy(guards=GuardPolicy(max_slippage_bps=Decimal(bps)))
    copy = decide(an_entry(), a_follower(policy), an_instrument(), NOW + 40).copy
    assert copy is not None
    assert copy.limit_price is not None
    assert copy.limit_price.amount == Decimal(limit)


@pytest.mark.parametrize("state", [FileState.BAD, FileState.SHARED, FileState.GONE])
def test_a_user_whose_file_is_bad_gets_no_entry_and_every_exit(state: FileState) -> None:
    """Case E2."""
    policy = a_policy(file=state, fault="bob.toml: not valid TOML")
    entry = decide(an_entry(), a_follower(policy), an_instrument(), NOW + 40)
    assert (entry.copy, entry.code) == (None, ReasonCode.SETTINGS_UNUSABLE)
    assert entry.reason == "bob.toml: not valid TOML"
    close = decide(an_exit(), a_follower(policy), an_instrument(), NOW + 40)
    assert close.copy == Copy(None, Decimal(1), None, None)


def test_balance_call_fails() -> None:
    """A balance that is not known is unknown, not zero: entries are skipped and say so, and the exit still goes."""
    account = an_account(equity=None, cash=None, reason="EGeneral:Timeout")
    entry = decide(an_entry(), a_follower(account=account), an_instrument(), NOW + 40)
    assert (entry.copy, entry.code) == (None, ReasonCode.BALANCE_UNKNOWN)
    close = decide(an_exit(), a_follower(account=account), an_instrument(), NOW + 40)
    assert close.copy == Copy(None, Decimal(1), None, None)


def test_a_balance_that_was_read_too_long_ago_skips_and_says_so() -> None:
    entry = decide(an_entry(), a_follower(account=an_account(as_of=NOW - 600_000)), an_instrument(), NOW + 40)
    assert (entry.copy, entry.code) == (None, ReasonCode.BALANCE_TOO_OLD)


@pytest.mark.parametrize("mode", [mode for mode in ControlMode if mode is not ControlMode.RUN])
def test_the_switch_of_a_symbol_stops_its_entries_for_everybody(mode: ControlMode) -> None:
    follower = replace(a_follower(), switches=(RUN, RUN, Control(mode, "delisted")))
    decision = decide(an_entry(), follower, an_instrument(), NOW + 40)
    assert (decision.copy, decision.code) == (None, ReasonCode.KILL_SWITCH)
    assert str(mode) in decision.reason


@pytest.mark.parametrize(
    ("symbols", "reason"),
    [
        (SymbolPolicy(exclude=frozenset({BTC_USD})), "BTC/USD is excluded by symbols.exclude"),
        (SymbolPolicy(include=frozenset({ETH_USD})), "BTC/USD is not in symbols.include"),
        (
            SymbolPolicy(exclude=frozenset({BTC_USDC}), map={BTC_USD: BTC_USDC}),
            "BTC/USD is excluded by symbols.exclude",
        ),
    ],
)
def test_a_symbol_that_the_user_does_not_want_is_skipped_and_its_exit_is_not(
    symbols: SymbolPolicy, reason: str
) -> None:
    follower = a_follower(a_policy(symbols=symbols))
    entry = decide(an_entry(), follower, an_instrument(), NOW + 40)
    assert (entry.copy, entry.code, entry.reason) == (None, ReasonCode.SYMBOL_FILTERED, reason)
    assert decide(an_exit(), follower, an_instrument(), NOW + 40).copy is not None


def test_a_mapped_symbol_is_the_symbol_of_the_decision() -> None:
    policy = a_policy(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    account = an_account(equity=Money(Decimal(5000), "USDC"), cash=Money(Decimal(5000), "USDC"))
    for signal in (an_entry(), an_exit()):
        decision = decide(signal, a_follower(policy, account), an_instrument(symbol=BTC_USDC), NOW + 40)
        assert decision.copy is not None
        assert decision.symbol == BTC_USDC
    unlisted = decide(an_entry(), a_follower(policy, account), None, NOW + 40)
    assert unlisted.code == ReasonCode.NOT_TRADED
    assert "BTC/USDC" in unlisted.reason


@pytest.mark.parametrize(
    ("held", "sold"),
    [
        (set(), BTC_USDC),
        ({BTC_USDC}, BTC_USDC),
        ({BTC_USD}, BTC_USD),  # bought before the map was set
        ({BTC_USD, BTC_USDC}, BTC_USDC),
        ({ETH_USD}, BTC_USDC),
    ],
)
def test_an_exit_goes_to_the_name_under_which_it_is_held(held: set[Symbol], sold: Symbol) -> None:
    policy = a_policy(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    follower = replace(a_follower(policy), held=frozenset(held))
    assert decide(an_exit(), follower, None, NOW + 40).symbol == sold


def test_a_disabled_user_who_asked_for_it_gets_exits_and_no_entries() -> None:
    policy = a_policy(enabled=False, on_leave=OnLeave.EXITS_ONLY)
    assert policy.followed
    assert not a_policy(enabled=False).followed
    assert not a_policy(enabled=False, on_leave=OnLeave.CLOSE_NOW).followed
    entry = decide(an_entry(), a_follower(policy), an_instrument(), NOW + 40)
    assert entry.code == ReasonCode.DISABLED
    assert entry.reason == "the user is disabled; only exits are followed (on_leave = exits_only)"
    assert decide(an_exit(), a_follower(policy), an_instrument(), NOW + 40).copy is not None


def test_what_could_not_be_read_skips_entries_and_never_an_exit() -> None:
    follower = replace(a_follower(), unreadable="limits cannot be judged: RiskRecord.day")
    entry = decide(an_entry(), follower, an_instrument(), NOW + 40)
    assert (entry.code, entry.reason) == (ReasonCode.RECORD_UNREADABLE, "limits cannot be judged: RiskRecord.day")
    assert decide(an_exit(), follower, an_instrument(), NOW + 40).copy is not None


def test_a_fill_dated_in_the_future_is_stale_and_an_exit_of_it_is_copied() -> None:
    """Case S10: beyond what clocks may differ it would be fresh for as long as it pleases; an exit does not age."""
    for ahead, copied in ((5_000, True), (5_001, False), (3_600_000, False), (10**13, False)):
        entry = decide(an_entry(filled_at=NOW + ahead), a_follower(), an_instrument(), NOW)
        assert (entry.copy is not None) is copied
        if not copied:
            assert entry.code == ReasonCode.FUTURE_FILL
            assert entry.reason == f"stale: the fill is dated {ahead / 1000:.1f} s in the future; a clock is wrong"
        assert decide(an_exit(filled_at=NOW + ahead), a_follower(), an_instrument(), NOW).copy is not None


def test_the_engine_always_writes_both_bounds_of_an_entry() -> None:
    """Case R6: what it decides to copy is read again by the rule that demands them."""
    decision = decide(an_entry(), a_follower(), an_instrument(), NOW + 40)
    read = OrderMessage.parse(OrderMessage.from_domain(decision).fields()).to_domain()
    assert read == decision
    assert read.copy is not None
    assert read.copy.entry is not None
