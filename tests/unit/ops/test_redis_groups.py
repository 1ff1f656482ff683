"""Which users the Redis user of a group is for, and what its rules name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.ops.access.redis_groups import find_groups, remember_groups, remembered_groups
from services.ops.access.redis_users import write_users
from shared.contracts import keys
from shared.contracts.access import ACCESS, rights, rules

PLACE = "redis:6379/0"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    config = tmp_path / "config"
    for folder in ("users", "groups"):
        (config / folder).mkdir(parents=True)
    for name in ("eu-1", "us"):
        (config / "groups" / f"{name}.toml").write_text("")
    for user, text in (("alice", ""), ("bob", 'group = "eu-1"'), ("carol", 'group = "eu-1"\nnonsense = 1')):
        (config / "users" / f"{user}.toml").write_text(text)
    return config


def test_groups_are_those_of_files_and_of_users(config: Path) -> None:
    assert find_groups(config) == {"eu-1": ["bob", "carol"], "us": []}


def test_a_removed_user_keeps_their_group_until_a_file_says_otherwise(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    remember_groups(folder, find_groups(config))
    (config / "users" / "bob.toml").unlink()
    assert find_groups(config, remembered_groups(folder))["eu-1"] == ["bob", "carol"]
    (config / "users" / "bob.toml").write_text('group = "us"')
    assert find_groups(config, remembered_groups(folder)) == {"eu-1": ["carol"], "us": ["bob"]}
    (config / "users" / "bob.toml").write_text("")
    assert find_groups(config, remembered_groups(folder)) == {"eu-1": ["carol"], "us": []}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"eu-1": 5}', '{"Eu_1": ["bob"]}'])
def test_what_was_remembered_and_cannot_be_read_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "acl").mkdir()
    (tmp_path / "acl" / "groups.json").write_text(text)
    assert remembered_groups(tmp_path) == {}


def test_each_group_has_a_redis_user_with_a_password_of_its_own(tmp_path: Path) -> None:
    groups = {"eu-1": ["bob"], "us": ["carol"]}
    names = write_users(tmp_path, PLACE, groups)
    assert set(names) == {*ACCESS, "executor-eu-1", "executor-us"}
    urls = [path.read_text() for path in tmp_path.rglob("url")]
    assert len(set(urls)) == len(urls) == len(ACCESS) + 3
    assert (tmp_path / "groups/eu-1/url").read_text().startswith("redis://executor-eu-1:")
    lines = (tmp_path / "acl/users.acl").read_text().splitlines()
    assert len(lines) == len(ACCESS) + 3
    before = (tmp_path / "groups/eu-1/url").read_text()
    write_users(tmp_path, PLACE, {"eu-1": ["bob", "dave"]})
    assert (tmp_path / "groups/eu-1/url").read_text() == before


def test_the_rules_of_a_group_name_its_users_in_every_key_of_a_user() -> None:
    text = rules("executor", ["bob"])
    of_any_user = {pattern for pattern in re.findall(r"~(\S+?)[ )]", text) if "{*}" in pattern}
    assert of_any_user == {keys.lease("*"), keys.fence("*")}  # read only: who serves whom
    assert f"%R~{keys.lease('*')}" in text
    assert f" ~{keys.lease('*')}" not in text
    for key in (keys.orders("bob"), keys.order("bob", "*"), keys.lease("bob"), keys.lease("prices-*")):
        assert f"~{key}" in text
    assert "%R~shoal:* " not in text
    assert "%R~shoal:*)" not in text


def test_a_group_without_users_has_no_rule_without_a_key() -> None:
    """Redis would take commands without a pattern for no keys at all, and the line is still to be one that it reads."""
    for selector in re.findall(r"\(([^)]*)\)", rules("executor", [])):
        assert "~" in selector


def test_rights_replace_all_and_leave_passwords_alone() -> None:
    assert rights("api").startswith("resetchannels resetkeys clearselectors -@all ")
    assert not {"reset", "nopass", "resetpass"} & set(rights("api").split())
    assert rules("api") == f"reset on {rights('api')}"
