"""A fork must be to a test what `python -m` is: its own environment, arguments, files, exit code and death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import python_module
from tests.support.fork_server import Request
from tests.support.host_clock import HostClock
from tests.support.processes import ROOT, Service, wait_for
from tests.support.python_module import FORKED_STARTS, ForkedProcess, may_fork

ECHO = "tests.unit.support.echo"
CLOCK = "tests.unit.support.clock"
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_CTYPE": "C.UTF-8", "ONLY": "this"}


@pytest.fixture(params=["forked", "fresh"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[object]:
    """Return both ways in which a process may be started; what holds for the one holds for the other."""
    monkeypatch.setenv(FORKED_STARTS, "1" if request.param == "forked" else "0")
    return ForkedProcess if request.param == "forked" else subprocess.Popen


@pytest.mark.usefixtures("kind")
def test_a_module_gets_its_own_arguments_environment_and_input_and_ends_in_order() -> None:
    ran = python_module.run(ECHO, ["3", "b c"], ENVIRONMENT, typed="yes\n")
    told, last = ran.stdout.splitlines()
    assert json.loads(told) == {
        "args": ["3", "b c"], "env": ENVIRONMENT, "name": "__main__", "input": "yes\n", "at": str(ROOT),
    }  # fmt: skip
    assert (ran.returncode, last, ran.stderr) == (3, "the end", "told\n")


@pytest.mark.usefixtures("kind")
def test_a_module_that_is_not_there_fails_as_it_does_by_hand() -> None:
    ran = python_module.run("tests.unit.support.nowhere", [], ENVIRONMENT)
    assert ran.returncode == 1
    assert "No module named tests.unit.support.nowhere" in ran.stderr


@pytest.mark.usefixtures("kind")
def test_a_command_that_does_not_end_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        python_module.run(ECHO, ["wait"], ENVIRONMENT, timeout=0.5)


def test_a_service_is_killed_by_the_signal_that_it_is_sent(kind: type[object], tmp_path: Path) -> None:
    service = Service("echo", ECHO, {"ONLY": "this"}, tmp_path / "log", "wait").start()
    assert type(service._process) is kind
    wait_for(lambda: "ONLY" in service.log(), 60, "it has begun")
    assert service.running
    os.kill(service.pid, 0)
    service.send(signal.SIGSTOP)
    service.send(signal.SIGCONT)
    assert service.running
    service.send(signal.SIGKILL)
    assert service.wait(60) == -signal.SIGKILL
    assert not service.running
    service.send(signal.SIGTERM)  # whoever has its pid by now gets nothing
    service.kill()


def test_two_forks_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORKED_STARTS, "1")
    services = [Service(name, ECHO, {"NAME": name}, tmp_path / name, "wait").start() for name in ("one", "two")]
    try:
        for service in services:
            wait_for(lambda service=service: "NAME" in service.log(), 60, "it has begun")  # type: ignore[misc]
            assert json.loads(service.log().splitlines()[0])["env"]["NAME"] == service.name
            files = {os.readlink(f"/proc/{service.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{service.pid}/fd")}  # noqa: PTH115, PTH208
            assert files == {os.devnull, str(service.log_path)}
    finally:
        for service in services:
            service.kill()


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "MALLOC_ARENA_MAX"])
def test_what_the_loader_or_the_interpreter_reads_needs_a_fresh_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORKED_STARTS, "1")
    assert may_fork(ENVIRONMENT)
    assert not may_fork({**ENVIRONMENT, name: "1"})


def test_a_fork_goes_by_its_own_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORKED_STARTS, "1")
    with HostClock(tmp_path / "ahead", 3_600) as ahead, HostClock(tmp_path / "behind", -3_600) as behind:
        services = [
            Service(name, CLOCK, clock.environment(), tmp_path / f"{name}.log").start()
            for name, clock in (("ahead", ahead), ("behind", behind))
        ]
        try:
            assert {type(service._process) for service in services} == {ForkedProcess}
            for service, hours in zip(services, (1, -1), strict=True):
                wait_for(lambda service=service, hours=hours: hours in _hours(service), 60, "its host's clock")  # type: ignore[misc]
            ahead.step(7_200)
            wait_for(lambda: 2 in _hours(services[0]), 60, "a step while it runs")
            assert set(_hours(services[1])) == {-1}
        finally:
            for service in services:
                service.kill()


def _hours(service: Service) -> list[int]:
    """Return by how many hours a process's wall clock was ahead of this process's, whenever it looked."""
    return [round((float(line) - time.time()) / 3_600) for line in service.log().splitlines()[:-1]]


def test_another_checkout_or_no_wish_for_forks_needs_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FORKED_STARTS, "1")
    assert not may_fork(ENVIRONMENT, tmp_path)
    monkeypatch.delenv(FORKED_STARTS)
    assert not may_fork(ENVIRONMENT)


def test_the_server_ends_with_the_run_that_started_it() -> None:
    asked = (
        "from tests.support.python_module import ForkServer; import os; "
        "server = ForkServer(); print(server._server.pid); os._exit(0)"  # as a run that was killed
    )
    ran = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    pid = int(ran.stdout)
    wait_for(lambda: not _is_fork_server(pid), 60, "it has ended")


def _is_fork_server(pid: int) -> bool:
    try:
        return b"fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def test_a_request_is_read_as_it_was_sent() -> None:
    request = Request("services.ops", ("why", "--last"), {"A": "b"})
    assert Request.decode(request.encode()) == request
