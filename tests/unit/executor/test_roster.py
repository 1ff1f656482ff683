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
