"""A user whose key has no pass takes no entries: they are not counted as trading, and it is said why."""

from __future__ import annotations

from dataclasses import replace

from shared.contracts.doctor import DoctorRecord
from shared.domain.account import AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.key_report import Grade
from shared.ledger.key_checks import KeyState, judge_check
from shared.ledger.status import assess_readiness
from shared.ledger.user_state import EntryStop, UserState
from shared.ledger.user_states.user_status import UserStatus
from tests.support.examples import NOW, an_account
from tests.unit.ledger.test_readiness import WELL, user

WITHDRAWS = DoctorRecord(doctor=Grade.REFUSED, doctor_text="the key may withdraw", doctor_at=NOW)
UNCHECKED = KeyState(unchecked="no entries: the key may withdraw")


def with_key(name: str, state: KeyState) -> UserStatus:
    return replace(user(name, AccountState.READY), keys={"kraken": state})


def test_an_account_without_a_pass_says_why_and_when_the_last_was() -> None:
    late = an_account(entries_until=NOW - 1)
    assert judge_check(late, WITHDRAWS, NOW).unchecked == (
        "no entries, because the API key has not passed its check (it never passed): the key may withdraw"
    )
    passed = DoctorRecord(
        doctor=Grade.UNKNOWN, doctor_text="HTTP 520", doctor_at=NOW, doctor_passed_at=NOW - 86_400_001
    )
    assert "(last pass 2025-11-21 16:29 UTC): HTTP 520" in judge_check(late, passed, NOW).unchecked
    assert "no check has been made yet" in judge_check(late, DoctorRecord(), NOW).unchecked


def test_with_a_pass_or_paper_money_nothing_is_unchecked() -> None:
    assert judge_check(an_account(entries_until=NOW), DoctorRecord(doctor=Grade.OK), NOW) == KeyState()
    assert judge_check(None, DoctorRecord(), NOW) == KeyState()
    assert judge_check(an_account(), WITHDRAWS, NOW) == KeyState(refused="the key may withdraw")


def test_such_a_user_is_not_ready_and_is_named() -> None:
    bob = with_key("bob", UNCHECKED)
    assert (bob.state, bob.reason) == (UserState.UNCHECKED, "kraken: no entries: the key may withdraw")
    readiness = assess_readiness(replace(WELL, users=(user("alice", AccountState.READY), bob)))
    assert readiness.ready
    assert (readiness.users_ready, readiness.users_parked) == (("alice",), ("bob",))
    assert readiness.users == "2 users: 1 trading, 1 unchecked"
    assert readiness.notes == ("bob at kraken: no entries: the key may withdraw",)


def test_if_no_key_has_a_pass_nothing_is_ready() -> None:
    readiness = assess_readiness(replace(WELL, users=(with_key("bob", UNCHECKED),)))
    assert not readiness.ready
    assert "no user is ready" in readiness.reasons


def test_an_account_with_a_pass_beside_it_still_trades() -> None:
    both = UserStatus(
        replace(user("bob", AccountState.READY).policy, venues=("kraken", "coinbase")),
        (("kraken", an_account("bob")), ("coinbase", an_account("bob", venue="coinbase"))),
        "x",
        Control(),
        keys={"kraken": UNCHECKED},
    )
    assert both.state is UserState.READY


def test_an_operators_stop_comes_first() -> None:
    paused = replace(
        with_key("bob", UNCHECKED), entry_stop=EntryStop(UserState.PAUSED, "lunch"), control=Control(ControlMode.PAUSE)
    )
    assert (paused.state, paused.reason) == (UserState.PAUSED, "lunch")


def test_a_refused_key_of_paper_money_is_only_named() -> None:
    bob = with_key("bob", KeyState(refused="the key may withdraw"))
    assert (bob.state, bob.reason) == (UserState.READY, "")
    readiness = assess_readiness(replace(WELL, users=(bob,)))
    assert readiness.notes == ("bob at kraken: API key: the key may withdraw",)
