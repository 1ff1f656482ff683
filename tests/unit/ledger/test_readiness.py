"""When the system counts as ready, and what is said if it does not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts.heartbeat import Phase
from shared.domain.account import Account, AccountState
from shared.domain.control import Control
from shared.domain.fault import Fault, FaultKind
from shared.domain.limits.policy import UserPolicy
from shared.ledger.live_processes import LiveProcess
from shared.ledger.status import SystemStatus, assess_readiness
from shared.ledger.user_states.user_status import UserStatus


def account(user: str, state: AccountState, reason: str = "") -> Account:
    return Account(user, "kraken", state, reason, None, None, Decimal("0.004"), 0)


def user(
    name: str, state: AccountState | None, *, owner: str = "x", reason: str = "", enabled: bool = True
) -> UserStatus:
    known = None if state is None else account(name, state, reason)
    return UserStatus(
        UserPolicy(user=name, enabled=enabled, venues=("kraken",)), (("kraken", known),), owner, Control()
    )


WELL = SystemStatus(
    services=(LiveProcess("copy-engine", "a", "running"), LiveProcess("master-strategy", "b", "running")),
    master=(("kraken", account("master", AccountState.READY)),),
    users=(user("alice", AccountState.READY),),
    engine_owner="a",
    control=Control(),
)


def test_it_is_ready_with_master_engine_and_one_user() -> None:
    assert assess_readiness(WELL).ready
    assert assess_readiness(WELL).reasons == ()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (replace(WELL, master=()), "it has not been read yet"),
        (replace(WELL, master=(("kraken", account("master", AccountState.PARKED, "bad key")),)), "parked bad key"),
        (replace(WELL, services=WELL.services[:1]), "master-strategy has no heartbeat"),
        (replace(WELL, services=WELL.services[1:]), "the copy engine is not open (it has no heartbeat)"),
        (replace(WELL, services=(*WELL.services[1:], LiveProcess("copy-engine", "a", "standby"))), "(standby)"),
        (
            replace(WELL, services=(*WELL.services[1:], LiveProcess("copy-engine", "a", "waiting for users bob"))),
            "users bob",
        ),
        (replace(WELL, users=()), "no user is ready"),
    ],
)
def test_what_is_missing_is_said(status: SystemStatus, reason: str) -> None:
    readiness = assess_readiness(status)
    assert not readiness.ready
    assert len(readiness.reasons) == 1
    assert reason in readiness.reasons[0]


def of_group(name: str, group: str, *, owner: str = "", enabled: bool = True) -> UserStatus:
    known = user(name, None, owner=owner, enabled=enabled)
    return replace(known, policy=replace(known.policy, group=group))


def test_a_group_that_no_executor_serves_is_named_with_its_users() -> None:
    users = (*WELL.users, of_group("bob", "eu-1"), of_group("carol", "us"), of_group("dave", "us"))
    off = of_group("erin", "asia", enabled=False)
    eu = LiveProcess("executor", "c", "serving nobody", groups=frozenset({"eu-1", "eu-2"}))
    anywhere = LiveProcess("executor", "d", "serving alice")
    readiness = assess_readiness(replace(WELL, users=(*users, off), services=(*WELL.services, eu, anywhere)))
    (note,) = readiness.notes
    assert readiness.ready
    assert note == (
        "group us: no executor serves it, so its users are not copied and no exit is sent (carol, dave): start one with "
        "EXECUTOR_GROUPS=us"
    )
    assert users[1].reason == "no executor serves this user (group eu-1)"


def test_of_many_users_a_note_names_the_first() -> None:
    status = replace(WELL, users=tuple(of_group(f"u{number}", "us") for number in range(7)))
    (note,) = assess_readiness(status).notes
    assert "(u0, u1, u2, u3, u4 and 2 more)" in note


def test_one_of_two_masters_that_is_not_ready_is_named_and_stops_nothing() -> None:
    parked = account("master", AccountState.PARKED, "Unauthorized")
    readiness = assess_readiness(replace(WELL, master=(*WELL.master, ("coinbase", parked))))
    assert (readiness.ready, readiness.notes) == (True, ("master coinbase: parked: Unauthorized",))
    alone = assess_readiness(replace(WELL, master=(("coinbase", parked),)))
    assert alone.notes == (), "it is the reason already"


@pytest.mark.parametrize(
    ("who", "state", "reason"),
    [
        (user("alice", AccountState.READY), "ready", ""),
        (user("alice", AccountState.READY, owner=""), "unknown", "no executor serves this user"),
        (user("alice", AccountState.PARKED, reason="key is blank"), "parked", "kraken: key is blank"),
        (user("alice", AccountState.CONNECTING), "unknown", "the account has not been read yet"),
        (user("alice", None), "unknown", "the account has not been read yet"),
        (user("alice", AccountState.READY, enabled=False), "off", ""),
    ],
)
def test_a_user_has_a_state_and_the_reason_for_it(who: UserStatus, state: str, reason: str) -> None:
    assert (who.state, who.reason) == (state, reason)


def test_a_fault_that_blocks_is_a_reason_and_one_that_does_not_is_shown_alone() -> None:
    blind = Fault(FaultKind.MASTER_SCAN, "kraken", "no answer for 90 s", since=2, blocks=True)
    bob = Fault(FaultKind.USER_FILE, "bob", "a typo", since=1)
    one, other = (
        LiveProcess("copy-engine", "a", "running", faults=(bob,)),
        LiveProcess("master-strategy", "b", "running", faults=(blind,)),
    )
    status = replace(WELL, services=(one, other))
    assert assess_readiness(status).reasons == ("master-strategy: kraken: no answer for 90 s",)
    assert [each.fault for each in status.faults] == [blind, bob]
    assert assess_readiness(replace(WELL, services=(one, WELL.services[1]))).ready


def test_whether_an_engine_is_open_is_a_field_and_not_a_text_for_people() -> None:
    """Case R5."""
    busy = LiveProcess("copy-engine", "a", "waiting for nobody any more: carrying signals", phase=Phase.OPEN)
    idle = LiveProcess("copy-engine", "a", "running, once its users are there", phase=Phase.WAITING)
    assert assess_readiness(replace(WELL, services=(*WELL.services[1:], busy))).engine
    assert not assess_readiness(replace(WELL, services=(*WELL.services[1:], idle))).engine
