"""A stored state says of a user what reading the user would say, also later."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from shared.domain.account import AccountState
from shared.domain.control import RUNNING, Control, ControlMode
from shared.domain.limits.policy import FileState
from shared.domain.limits.risk_state import RiskState
from shared.ledger.key_checks import KeyState
from shared.ledger.user_state import UserState, find_entry_stop
from shared.ledger.user_states.chosen_users import ChosenUsers
from shared.ledger.user_states.stored_state import StoredState
from shared.ledger.user_states.user_status import UserStatus
from shared.ledger.user_states.user_summary import UserSummary
from tests.unit.ledger.test_readiness import user

NOW = 1_795_710_000_000
LUNCH = Control(ControlMode.PAUSE, "lunch", "anna", NOW)
STOPPED = replace(RiskState.fresh("USD", NOW), stopped_until=NOW + 60_000, stopped_reason="5.1 % lost")
READY = user("bob", AccountState.READY)
KINDS = [
    READY,
    user("bob", AccountState.PARKED),
    user("bob", None),
    user("bob", AccountState.READY, enabled=False),
    replace(READY, policy=replace(READY.policy, fault="bad", file=FileState.BAD)),
    replace(READY, policy=replace(READY.policy, fault="gone", file=FileState.GONE)),
    replace(READY, policy=replace(READY.policy, group="eu-1"), keys={"kraken": KeyState(unchecked="no pass")}),
    replace(READY, keys={"kraken": KeyState(refused="it may withdraw")}),
]


@pytest.mark.parametrize(
    ("kind", "owner", "own", "everybody", "risk", "now"),
    list(
        product(
            KINDS,
            ["", "x"],
            [RUNNING, LUNCH],
            [RUNNING, LUNCH, Control(ControlMode.HALT)],
            [None, STOPPED],
            [NOW, NOW + 60_000],
        )
    ),
)
def test_it_gives_the_summary_of_the_user_as_read_at_that_time(
    kind: UserStatus, owner: str, own: Control, everybody: Control, risk: RiskState | None, now: int
) -> None:
    stored = replace(kind, control=own, risk=risk, owner="x", entry_stop=find_entry_stop(own, RUNNING, risk, NOW))
    text = StoredState.of(stored, open_issues=False).text()
    as_read = replace(stored, owner=owner, entry_stop=find_entry_stop(own, everybody, risk, now))
    assert StoredState.read(text).summary("bob", everybody, now, served=bool(owner)) == as_read.summary


def test_a_stop_out_that_has_passed_stops_nothing() -> None:
    stored = StoredState(UserState.READY, stopped_until=NOW, stopped_reason="5.1 % lost")
    states = [stored.summary("bob", RUNNING, now, served=True).state for now in (NOW - 1, NOW)]
    assert states == [UserState.STOPPED_OUT, UserState.READY]


def test_what_is_stored_is_short_and_read_back() -> None:
    assert StoredState.of(READY, open_issues=False).text() == '{"state":"ready"}'
    whole = StoredState(UserState.PARKED, "eu-1", LUNCH, 7, "5 %", ("a", "b"), bad_file=True, open_issues=True)
    assert StoredState.read(whole.text()) == whole
    for text in ("", "7", "null", "[]", "{}", '{"state":"new"}', '{"state":"ready","switch":[]}'):
        with pytest.raises(ValueError, match=r"\S"):
            StoredState.read(text)


def test_users_who_do_not_trade_come_first_in_alphabetical_order() -> None:
    states = {"ann": UserState.READY, "bob": UserState.OFF, "cem": UserState.PARKED, "dan": UserState.PAUSED}
    users = [UserSummary(name, state, "eu" if name < "c" else "") for name, state in states.items()]
    assert ChosenUsers().of(reversed(users)) == ["cem", "dan", "ann", "bob"]
    assert ChosenUsers(state=UserState.PARKED).of(users) == ["cem"]
    assert ChosenUsers(group="").of(users) == ["cem", "dan"]
    assert ChosenUsers(group="eu", user="ann").of(users) == ["ann"]
