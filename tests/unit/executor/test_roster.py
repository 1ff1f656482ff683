"""Whom a process serves, as users' files come, change and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.executor.turn.roster import Roster
from shared.config.errors import ConfigurationError
from shared.domain.limits.policy import FileState, OnLeave, UserPolicy
from tests.support.examples import a_policy


def _users(*policies: UserPolicy) -> dict[str, UserPolicy]:
    return {policy.user: policy for policy in policies}


def test_disabled_users_are_served_as_long_as_they_have_set() -> None:
    off = [a_policy(rule.value, enabled=False, on_leave=rule) for rule in OnLeave]
    roster = Roster(_users(a_policy("alice"), *off))
    assert roster.claimable() == ["alice", "exits_only", "close_now"]


def test_a_user_without_a_file_leaves_by_his_last_settings() -> None:
    roster = Roster(_users(a_policy("alice", on_leave=OnLeave.CLOSE_NOW), a_policy("bob")))
    roster.update({})
    assert roster.claimable() == ["alice"]
    assert not roster.policy("alice").enabled
    assert not roster.may_leave("alice", flat=False)
    assert roster.may_leave("alice", flat=True)
    assert roster.may_leave("bob", flat=False)


def test_who_followed_exits_without_a_file_leaves_once_nothing_is_held_any_more() -> None:
    roster = Roster(_users(a_policy("alice", enabled=False, on_leave=OnLeave.EXITS_ONLY, file=FileState.GONE)))
    assert roster.claimable() == ["alice"]
    assert not roster.may_leave("alice", flat=True)
    roster.update({})
    assert roster.claimable() == []
    assert roster.may_leave("alice", flat=False)


def test_a_pinned_user_with_a_bad_file_is_served_for_exits() -> None:
    """Case E2."""
    roster = Roster(
        _users(a_policy("alice"), a_policy("bob", file=FileState.BAD, fault="bob.toml: ...")), ("alice", "bob")
    )
    assert roster.claimable() == ["alice", "bob"]
    assert roster.without_entries() == {"bob"}


def test_exits_only_never_leaves_and_the_enabled_stay() -> None:
    roster = Roster(_users(a_policy("alice"), a_policy("bob", enabled=False, on_leave=OnLeave.EXITS_ONLY)))
    assert not roster.may_leave("alice", flat=True)
    assert not roster.may_leave("bob", flat=True)


def test_one_who_has_left_is_not_claimed_until_his_settings_change() -> None:
    leaver = a_policy("alice", enabled=False, on_leave=OnLeave.CLOSE_NOW)
    roster = Roster(_users(leaver))
    roster.leave("alice")
    roster.update(_users(leaver, a_policy("bob")))
    assert roster.claimable() == ["bob"]
    roster.update(_users(replace(leaver, enabled=True)))
    assert "alice" in roster.claimable()


def test_a_pinned_process_serves_nobody_else() -> None:
    roster = Roster(_users(a_policy("alice"), a_policy("bob")), ("bob",))
    roster.update(_users(a_policy("alice"), a_policy("bob"), a_policy("carol")))
    assert roster.claimable() == ["bob"]
    with pytest.raises(ConfigurationError, match="EXECUTOR_USERS names dave"):
        Roster(_users(a_policy("alice")), ("dave",))


def test_a_process_serves_its_groups_or_those_without_one() -> None:
    users = _users(a_policy("alice"), a_policy("bob", group="eu-1"), a_policy("carol", group="us"))
    assert Roster(users).claimable() == ["alice"]
    assert Roster(users, groups=("eu-1",)).claimable() == ["bob"]
    assert Roster(users, groups=("us", "eu-1")).claimable() == ["bob", "carol"]
    assert Roster(users, ("carol",), groups=("us", "eu-1")).claimable() == ["carol"]


@pytest.mark.parametrize(
    ("pinned", "groups", "why"),
    [
        ("bob", (), "EXECUTOR_USERS names bob, who is in the group eu-1: set EXECUTOR_GROUPS=eu-1"),
        ("alice", ("eu-1",), "EXECUTOR_USERS names alice, who is in no group, but EXECUTOR_GROUPS is eu-1"),
    ],
)
def test_a_process_is_not_pinned_to_a_user_of_another_group(pinned: str, groups: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Roster(_users(a_policy("alice"), a_policy("bob", group="eu-1")), (pinned,), groups=groups)
    assert str(refused.value) == why


def test_who_goes_over_to_another_group_is_not_served_and_still_known_until_the_turn_has_ended() -> None:
    bob = a_policy("bob", group="eu-1")
    ours, theirs = Roster(_users(bob), groups=("eu-1",)), Roster(_users(bob), groups=("us",))
    moved = replace(bob, group="us")
    for users in (_users(moved), _users(moved, a_policy("carol"))):  # a further change must not forget them
        for roster in (ours, theirs):
            roster.update(users)
        assert (ours.claimable(), ours.serves("bob"), ours.policy("bob")) == ([], False, moved)
        assert (theirs.claimable(), theirs.serves("bob")) == (["bob"], True)
    ours.update(_users(bob))
    assert (ours.claimable(), ours.serves("bob")) == (["bob"], True)


def test_a_user_of_the_group_without_a_file_is_left_by_the_group_alone() -> None:
    gone = a_policy("bob", group="eu-1", enabled=False, on_leave=OnLeave.EXITS_ONLY, file=FileState.GONE)
    assert Roster(_users(gone)).claimable() == []
    assert Roster(_users(gone), groups=("eu-1",)).claimable() == ["bob"]
