"""`ops acl`: the rules of all Redis users, and no password; and a key of another address is not asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from services.ops.app import build
from services.ops.checks.doctor_here import check_here
from shared.bus.connection import Bus
from shared.config.settings import load_settings
from shared.contracts.access import ACCESS, rules
from tests.support.examples import a_policy


@pytest.fixture
def config(tmp_path: Path, env: pytest.MonkeyPatch) -> Path:
    for folder in ("users", "groups"):
        (tmp_path / "config" / folder).mkdir(parents=True)
    (tmp_path / "config" / "groups" / "eu-1.toml").write_text("")
    (tmp_path / "config" / "users" / "bob.toml").write_text('group = "eu-1"')
    env.setenv("SHOAL_CONFIG", str(tmp_path / "config"))
    return tmp_path


def run(*words: str) -> Any:
    return CliRunner().invoke(build("acl"), ["acl", *words])


def test_it_prints_the_rules_of_every_service_and_group(config: Path) -> None:
    lines = run().stdout.splitlines()
    assert lines == [
        *(f"user {name} {rules(name)}" for name in ACCESS),
        f"user executor-eu-1 {rules('executor', ['bob'])}",
    ]
    assert set(json.loads(run("--json").stdout)) == {*ACCESS, "executor-eu-1"}


def test_it_writes_what_redis_users_writes(config: Path) -> None:
    ran = run("--write", str(config / "out"), "--place", "redis.example:6379/0", "--tls")
    assert ran.exit_code == 0, ran.output
    url = (config / "out/groups/eu-1/url").read_text()
    assert url.startswith("rediss://executor-eu-1:")
    password = url.split(":")[2].partition("@")[0]
    assert password not in ran.output
    assert password not in (config / "out/acl/users.acl").read_text()


def test_writing_and_applying_are_two_commands(config: Path) -> None:
    assert run("--write", str(config / "out"), "--apply").exit_code == 2


def test_rights_are_not_set_at_one_of_several_servers(config: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("REDIS_URL", "redis+sentinel://a:1,b:1/mymaster")
    ran = run("--apply")
    assert ran.exit_code == 2
    assert "--apply sets the rights at one server" in ran.output


async def test_no_key_of_a_group_is_used_from_elsewhere(env: pytest.MonkeyPatch) -> None:
    """Case: `ops doctor bob` while no process serves bob, on a host without his group's address."""
    never = cast("Bus", None)
    report = await check_here(load_settings(), never, "bob", "kraken", a_policy("bob", group="eu-1"))
    assert "who is in the group eu-1" in report.words
