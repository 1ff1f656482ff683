"""The shipped docker-compose.yml on a real engine: built, started, copied trades read with redis-cli, one executor killed.

Runs by `make compose-test` only.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from tests.compose.stack import ROOT, Stack, copied_trade, variables, wait_for
from tests.support.readme import config_of_the_readme

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

USERS: Final = ("alice", "bob", "carol")


@pytest.mark.parametrize("user", USERS)
def test_every_user_gets_a_copied_trade(stack: Stack, user: str) -> None:
    report = wait_for(f"a copied trade of {user}", lambda: copied_trade(stack, user), 90)

    assert report["signal_id"] in {fields["id"] for _, fields in stack.entries("shoal:signals")}


def test_an_order_stream_reads_like_a_ledger_in_redis_cli(stack: Stack) -> None:
    wait_for("a copied trade of alice", lambda: copied_trade(stack, "alice"), 90)

    lines = stack.redis_cli("XRANGE", "shoal:orders:{alice}", "-", "+", "COUNT", "1").split()

    assert lines[lines.index("user") + 1] == "alice"
    assert lines[lines.index("decision") + 1] == "copy"
    assert "/" in lines[lines.index("symbol") + 1]


def test_each_executor_container_serves_one_user(stack: Stack) -> None:
    owners = {stack.redis_cli("GET", f"shoal:lease:{{{user}}}").partition("-")[0].strip() for user in USERS}

    assert owners == {container[:12] for container in stack.containers("executor")}


def test_only_those_that_sign_are_given_keys(stack: Stack) -> None:
    holding = {
        service
        for service in stack.compose("config", "--services").split()
        for container in stack.containers(service)
        if any("_API_" in name for name in variables(stack.inspect(container)))
    }

    assert holding == {"master-strategy", "executor", "paper-accounts"}


def test_the_api_answers_on_this_machine_only(stack: Stack) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.api_port}/healthz", timeout=10) as answer:
        assert answer.status == 200

    published = {
        (service, binding["HostIp"])
        for service in stack.compose("config", "--services").split()
        for container in stack.containers(service)
        for bindings in stack.inspect(container)["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert published == {("api", "127.0.0.1")}


def test_the_page_asks_for_sign_in_and_its_password_is_in_the_log_once(stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{stack.api_port}/status", timeout=10)
    assert refused.value.code == 401
    refused.value.close()
    lines = [line for line in stack.compose("logs", "--no-color", "api").splitlines() if "password=" in line]
    assert len(lines) == 1, lines


def test_the_paper_exchange_is_steered_with_its_token_only(stack: Stack) -> None:
    ask = """
import urllib.error, urllib.request
request = urllib.request.Request("http://paper-exchange:8100/paper/orders", headers={headers})
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
    token = "open('/run/paper-token/token').read().strip()"
    (api,), executor = stack.containers("api"), stack.containers("executor")[0]
    assert stack.python(executor, ask.format(headers="{}")) == "401"
    assert stack.python(api, ask.format(headers=f"{{'Authorization': 'Bearer ' + {token}}}")) == "200"
    assert stack.python(executor, "import os; print(os.path.exists('/run/paper-token/token'))") == "False"


def test_what_a_container_may_take_is_bounded(stack: Stack) -> None:
    """Case S13: capabilities, memory and logs."""
    for service in stack.compose("config", "--services").split():
        for container in stack.containers(service):
            host = stack.inspect(container)["HostConfig"]
            assert host["CapDrop"] == ["ALL"], service
            assert host["Memory"] > 0, service
            assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "5", "max-size": "10m"}}, service


def test_no_password_stands_in_what_an_engine_tells_of_a_container(stack: Stack) -> None:
    operator = stack.compose("exec", "-T", "redis", "cat", "/run/redis-users/operator").strip()
    url = stack.python(stack.containers("api")[0], "print(open('/run/redis/url').read())")
    told = "".join(
        stack.docker("inspect", container)
        for service in stack.compose("config", "--services").split()
        for container in stack.containers(service)
    )
    assert operator not in told
    assert url.partition("@")[0].rpartition(":")[2] not in told


def test_nothing_runs_as_root_but_redis(stack: Stack) -> None:
    services = set(stack.compose("config", "--services").split()) - {"redis"}
    for service in services:
        for container in stack.containers(service):
            inspected = stack.inspect(container)
            assert inspected["Config"]["User"] == "10001:10001", service
            assert inspected["HostConfig"]["ReadonlyRootfs"], service


def test_the_user_of_a_killed_executor_is_served_again_and_nothing_is_double(stack: Stack) -> None:
    lease = "shoal:lease:{bob}"
    before = stack.redis_cli("GET", lease).strip()
    _crash(stack, before.partition("-")[0])

    after = wait_for("bob's next executor", lambda: _changed(stack.redis_cli("GET", lease).strip(), before), 60)
    last = stack.entries("shoal:reports:{bob}")[-1][0]
    begun = {fields["id"] for _, fields in stack.entries("shoal:orders:{bob}")}
    wait_for(f"a copied trade of bob by {after}", lambda: copied_trade(stack, "bob", last), 90)
    # What the killed one left is older than `audit` allows for by then, and is not taken up in the order of what is copied.
    wait_for("the outcomes of what was left", lambda: begun <= _reported(stack, "bob"), 60)

    figures = stack.audit()
    assert figures["signals"] > 0
    assert [figures[name] for name in ("missing", "duplicates", "disagreements", "invalid_nonces")] == [0, 0, 0, 0]
    assert figures["venue_checked"], json.dumps(figures)


def test_more_executors_can_be_had_at_any_time(stack: Stack) -> None:
    stack.compose("up", "--detach", "--no-recreate", "--scale", "executor=5", timeout=300)
    assert len(stack.containers("executor")) == 5


def test_the_readmes_strategy_runs_in_the_containers_as_it_stands(stack: Stack, tmp_path: Path) -> None:
    """The last test of the file: from here on the master trades by another strategy."""
    stack.forget("SHOAL_STRATEGY")
    config = config_of_the_readme(tmp_path)
    words = ("backtest", "--seed", "7", "--days", "3", "--user", "alice=5000", "--json")
    printed = stack.compose("run", "--rm", "--no-deps", "--volume", f"{config}:/app/config:ro", "ops", *words)
    assert json.loads(printed.strip().splitlines()[-1])["strategies"] == ["dip:Dip"]

    mounted = tmp_path / "mounted.yml"
    mounted.write_text(f"services: {{master-strategy: {{volumes: ['{config}:/app/config:ro']}}}}\n", encoding="utf-8")
    files = ("--file", str(ROOT / "docker-compose.yml"), "--file", str(mounted))
    stack.compose(*files, "up", "--detach", "--no-deps", "--no-build", "master-strategy", timeout=300)

    # Its first decision is over when the master says how many pairs it watches, and it is not paused.
    said = wait_for("a turn of the strategy", lambda: _turn_of(stack, "strategy=dip:Dip"), 120)
    assert "does='watches 2 symbols'" in said, said


def _turn_of(stack: Stack, strategy: str) -> str | None:
    lines = stack.compose("logs", "--no-color", "master-strategy").splitlines()
    return next((line for line in lines if strategy in line and ("watches" in line or "paused" in line)), None)


def _reported(stack: Stack, user: str) -> set[str]:
    return {fields["order_id"] for _, fields in stack.entries(f"shoal:reports:{{{user}}}")}


def _changed(now: str, before: str) -> str | None:
    return now if now and now != before else None


def _crash(stack: Stack, container: str) -> None:
    """End a container's process as the kernel's memory killer would.

    `docker kill` will not do: to the engine that is a person's wish, which its restart policy respects.
    """
    pid = stack.inspect(container)["State"]["Pid"]
    kill = f"import os; os.kill({pid}, 9)"
    stack.docker("run", "--rm", "--user", "0", "--pid", "host", "shoal-test", "python", "-c", kill)
