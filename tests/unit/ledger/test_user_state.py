"""Users whose entries are stopped on purpose are counted apart, with who stopped them and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.account import AccountState
from shared.domain.control import RUNNING, Control, ControlMode
from shared.domain.limits.risk_state import RiskState
from shared.ledger.status import SystemStatus, assess_readiness
from shared.ledger.user_state import UserState, count_users, find_entry_stop
from shared.ledger.user_states.user_status import UserStatus
from tests.unit.ledger.test_readiness import WELL, user

NOW = 1_795_710_000_000
LUNCH = Control(ControlMode.PAUSE, "lunch", "anna", NOW)


def switched_user(
    name: str, own: Control = RUNNING, everybody: Control = RUNNING, risk: RiskState | None = None
) -> UserStatus:
    return replace(user(name, AccountState.READY), control=own, entry_stop=find_entry_stop(own, everybody, risk, NOW))


def system(*users: UserStatus, control: Control = RUNNING) -> SystemStatus:
    return replace(WELL, users=users, control=control)


def test_a_paused_user_is_not_counted_as_trading() -> None:
    """Case N5: "3 users: 2 trading, 1 paused (reason, who, since)" and not "3 users ready"."""
    readiness = assess_readiness(system(switched_user("alice"), switched_user("bob", LUNCH), switched_user("carol")))
    assert readiness.ready
    assert readiness.users == "3 users: 2 trading, 1 paused"
    assert readiness.notes == ("bob: pause: lunch (anna, since 2026-11-26 16:20 UTC)",)
    assert (readiness.users_ready, readiness.users_held) == (("alice", "carol"), ("bob",))


@pytest.mark.parametrize(
    ("own", "everybody", "state", "reason"),
    [
        (RUNNING, LUNCH, "paused", "everybody: pause: lunch (anna, since 2026-11-26 16:20 UTC)"),
        (Control(ControlMode.CLOSE_ONLY, "storm"), RUNNING, "paused", "close_only: storm"),
        (Control(ControlMode.FLATTEN), RUNNING, "flattening", "flatten is set"),
        (LUNCH, Control(ControlMode.HALT, "fire"), "halted", "everybody: halt: fire"),
        (Control(ControlMode.HALT), Control(ControlMode.HALT, "fire"), "halted", "halt is set"),
    ],
)
def test_the_strictest_switch_is_shown(own: Control, everybody: Control, state: str, reason: str) -> None:
    """Case N5."""
    found = switched_user("bob", own, everybody)
    assert (found.state, found.reason) == (state, reason)


def test_a_user_stopped_by_a_loss_is_shown_with_the_reason_and_the_end() -> None:
    """Case N5."""
    risk = replace(RiskState.fresh("USD", NOW), stopped_until=NOW + 60_000, stopped_reason="5.1 % lost")
    found = switched_user("bob", risk=risk)
    assert (found.state, found.reason) == ("stopped_out", "5.1 % lost, until 2026-11-26 16:21 UTC")
    assert assess_readiness(system(switched_user("alice"), found)).users == "2 users: 1 trading, 1 stopped out"
    assert switched_user("bob", risk=replace(risk, stopped_until=NOW)).state == "ready"


def test_what_an_account_lacks_comes_before_what_a_switch_says() -> None:
    """Case N5: a parked account stays parked, whoever paused it too."""
    parked = replace(
        user("bob", AccountState.PARKED, reason="bad key"), entry_stop=find_entry_stop(LUNCH, RUNNING, None, NOW)
    )
    assert (parked.state, parked.reason) == ("parked", "kraken: bad key")


def test_everybody_paused_is_ready_and_everybody_halted_is_not() -> None:
    """Case N5: a pause on purpose must not page anybody; a halt holds exits back, and must not be forgotten."""
    paused = assess_readiness(
        system(switched_user("alice", everybody=LUNCH), switched_user("bob", everybody=LUNCH), control=LUNCH)
    )
    assert (paused.ready, paused.users) == (True, "2 users: 2 paused")
    assert paused.notes == ("everybody: pause: lunch (anna, since 2026-11-26 16:20 UTC)",)

    fire = Control(ControlMode.HALT, "fire")
    halted = assess_readiness(
        system(switched_user("alice", everybody=fire), switched_user("bob", everybody=fire), control=fire)
    )
    assert not halted.ready
    assert halted.reasons == ("all users are halted: exits are not sent either",)
    assert assess_readiness(system(switched_user("alice"), switched_user("bob", fire))).ready


def test_symbols_that_are_stopped_are_among_the_notes() -> None:
    """Case N5."""
    status = replace(system(switched_user("alice")), symbols={"BTC/USD": Control(ControlMode.PAUSE, "news")})
    assert assess_readiness(status).notes == ("BTC/USD: pause: news",)


def test_nobody_is_said_to_trade_while_the_system_is_not_ready() -> None:
    """Case N5."""
    assert assess_readiness(replace(system(switched_user("alice")), services=())).users == "1 user: 1 ready"
    assert count_users([], trading=True) == "no users"
    assert count_users([UserState.OFF, UserState.READY], trading=True) == "2 users: 1 trading, 1 disabled"
