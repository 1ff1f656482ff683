"""`make demo` as a person runs it: copied trades for everybody, a passing audit, and nothing left however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from services.demo.settings import DemoSettings
from shared.config.errors import ConfigurationError
from shared.contracts import keys
from tests.support.demo import Demo, alive
from tests.support.ports import free_port
from tests.support.processes import wait_for

USERS: Final = ("alice", "bob", "carol")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo that has just been started."""
    demo = Demo(tmp_path)
    try:
        yield demo
    finally:
        demo.end()


def test_everybody_gets_a_copied_trade_the_audit_passes_and_ctrl_c_leaves_nothing(demo: Demo) -> None:
    demo.wait_for_line("every user has a copied trade", 60)
    outcomes = {
        user: {fields["outcome"] for _, fields in demo.redis.xrange(keys.reports(user))}  # type: ignore[union-attr,index]
        for user in USERS
    }
    assert all("filled" in seen for seen in outcomes.values()), outcomes
    audit = demo.ops("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    family = demo.family()
    assert len(family) == 9  # the demo, Redis, exchange, master, three executors, engine, api

    os.killpg(demo.process.pid, signal.SIGINT)

    assert demo.process.wait(30) == 0
    assert alive(family) == set()


def test_a_child_that_dies_ends_the_demo_with_its_name_and_an_error(demo: Demo) -> None:
    demo.wait_for_line("every user has a copied trade", 100)
    family = demo.family()
    executor = next(pid for pid, _ in family if b"services.executor" in Path(f"/proc/{pid}/cmdline").read_bytes())

    os.kill(executor, signal.SIGKILL)

    assert demo.process.wait(30) == 1
    assert "ended by itself (exit code -9)" in demo.log
    assert re.search(r"^executor-\d +\| .*order settled", demo.log, re.MULTILINE)  # how its log ended
    assert alive(family) == set()


def test_with_verbose_the_lines_of_the_services_are_shown_too(tmp_path: Path) -> None:
    """Case N12."""
    demo = Demo(tmp_path, VERBOSE="1")
    try:
        demo.wait_for_line("master-strategy | ", 60)
    finally:
        demo.end()


def test_terminated_while_it_starts_it_leaves_nothing(demo: Demo) -> None:
    demo.wait_for_line("starting Redis", 30)
    wait_for(lambda: len(demo.family()) > 1, 30, "a child has been started")
    family = demo.family()

    demo.process.terminate()

    assert demo.process.wait(30) == 0
    assert alive(family) == set()


def test_killed_outright_it_still_leaves_nothing(demo: Demo) -> None:
    demo.wait_for_line("One line per signal", 60)
    family = demo.family()

    demo.process.kill()
    demo.process.wait(10)

    wait_for(lambda: not alive(family), 30, "the children end by themselves")


def test_a_reader_that_goes_away_ends_the_demo_in_order(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    demo = Demo(tmp_path, stdout=writing)
    os.close(writing)
    with open(reading, "rb") as screen:  # noqa: PTH123  # a pipe, not a path
        assert b"starting Redis" in screen.readline()
        wait_for(lambda: len(demo.family()) > 1, 30, "a child has been started")
        family = demo.family()

    assert demo.process.wait(30) == 0
    assert alive(family) == set()
    assert demo.log == ""  # no traceback on stderr
    demo.end()


@pytest.mark.parametrize("variable", ["REDIS_PORT", "API_PORT", "PAPER_PORT"])
def test_a_port_in_use_is_named_before_anything_starts(variable: str) -> None:
    ports = {name: str(free_port()) for name in ("REDIS_PORT", "API_PORT", "PAPER_PORT")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports[variable] = str(taken.getsockname()[1])
        with pytest.raises(ConfigurationError, match=rf"^{variable}: port {ports[variable]} cannot be used .*\n?$"):
            DemoSettings.read(ports)


def test_a_port_in_use_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = Demo(tmp_path, API_PORT=str(taken.getsockname()[1]))
        assert demo.process.wait(20) == 2
        demo.end()
    assert demo.log.startswith("demo: API_PORT: port ")
    assert demo.log.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"REDIS_PORT": "none"}, "REDIS_PORT must be a port number"),
        ({"API_PORT": "70000"}, "API_PORT must be from 1 to 65535"),
        ({"REDIS_PORT": "7001", "API_PORT": "7001"}, "must differ"),
        ({"DEMO_SECONDS": "soon"}, "DEMO_SECONDS must be a number above 0"),
        ({"SHOAL_CONFIG": "nowhere"}, "nowhere/users is not a folder"),
    ],
)
def test_bad_input_is_one_line_that_names_it(given: dict[str, str], said: str) -> None:
    ports = {name: str(free_port()) for name in ("REDIS_PORT", "API_PORT", "PAPER_PORT")}

    with pytest.raises(ConfigurationError, match=said) as refused:
        DemoSettings.read(ports | given)

    assert "\n" not in str(refused.value)


def test_no_key_and_no_address_of_the_caller_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SHOAL_MODE": "live",
        "KRAKEN_URL": "https://venue.invalid",
        "KRAKEN_USER_ALICE_API_KEY": "real",
        "COINBASE_MASTER_API_SECRET_FILE": "/real",
        "REDIS_URL": "redis://elsewhere",
    }.items():
        monkeypatch.setenv(name, value)
    settings = DemoSettings.read({name: str(free_port()) for name in ("REDIS_PORT", "API_PORT", "PAPER_PORT")})

    signing, others = settings.environment(keys=True), settings.environment()

    assert signing["SHOAL_MODE"] == "paper"
    assert signing["REDIS_URL"] == settings.redis_url
    assert "KRAKEN_URL" not in signing
    assert all(value.startswith("PAPER") for name, value in signing.items() if name.endswith("_API_KEY"))
    assert not [name for name in others if "_API_" in name]
    assert "COINBASE_MASTER_API_SECRET_FILE" not in signing
