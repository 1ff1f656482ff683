"""What a newcomer types, in a fresh copy of the repository beside its running demo: every command of the README works."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.ports import free_port
from tests.support.processes import AT_ONCE, ROOT, wait_for

_COPIED: Final = (
    "Makefile",
    "README.md",
    "requirements-dev.lock",
    "requirements-demo.lock",
    "services",
    "shared",
    "config",
)
_COMMAND: Final = re.compile(r"make (?:ops|status|streams|audit)\b[^`\n#]*|make backtest(?=`)")
"""What the README tells to type beside a running system; a comment ends it."""
_WIDE: Final = 80
_RED_ON_PAPER: Final = "preflight"
"""It ends with 1 where going live would be wrong, and on paper it would be."""


class Clone:
    """A folder as `git clone` leaves it, with a venv that is up to date, and its demo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _COPIED:
            source, target = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        binaries = folder / ".venv" / "bin"
        binaries.mkdir(parents=True)
        (binaries / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (binaries / "python").chmod(0o755)
        shutil.copy(ROOT / "requirements-dev.lock", folder / ".venv" / "made-from.lock")
        self._log = folder / "demo.log"
        self._demo: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a shell has, and nothing that tells where the demo is."""
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
            "USER": "login-name",
            "COLUMNS": str(_WIDE),
            **AT_ONCE,
        }

    @property
    def log(self) -> str:
        """What the demo has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start the demo on free ports and wait until everybody has a copied trade."""
        ports = [f"{name}={free_port()}" for name in ("REDIS_PORT", "API_PORT", "PAPER_PORT")]
        with self._log.open("wb") as log:
            self._demo = subprocess.Popen(
                ["make", "demo", *ports],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        demo = self._demo
        wait_for(lambda: "every user has a copied trade" in self.log or demo.poll() is not None, 100, "a copied trade")
        assert demo.poll() is None, self.log

    def stop(self) -> None:
        """Press Ctrl-C."""
        demo, self._demo = self._demo, None
        if demo is not None and demo.poll() is None:
            os.killpg(demo.pid, signal.SIGINT)
            demo.wait(60)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as it is typed."""
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=110, check=False
        )

    def ops(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the operator."""
        return self.run(".venv/bin/python", "-m", "services.ops", *words)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    made = Clone(tmp_path_factory.mktemp("newcomer"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def commands() -> list[str]:
    return list(dict.fromkeys(found.strip() for found in _COMMAND.findall((ROOT / "README.md").read_text())))


def test_the_readme_shows_how_to_look_and_how_to_steer() -> None:
    """Case N3: the list that the next test runs is not empty by accident."""
    assert {"make status", "make audit", "make streams", "make ops", 'make ops ARGS="why"'} <= set(commands())


@pytest.mark.parametrize("command", [each for each in commands() if "COMMAND" not in each])
def test_every_command_of_the_readme_works_as_it_is_written(clone: Clone, command: str) -> None:
    """Case N3."""
    ran = clone.run(*shlex.split(command))
    assert ran.returncode == (2 if _RED_ON_PAPER in command else 0), (
        ran.stdout + ran.stderr
    )  # make's 2: a command failed
    assert "No module named" not in ran.stderr
    if _RED_ON_PAPER in command:
        assert "SHOAL_MODE is paper" in ran.stdout
    if "pause" in command:  # the other tests want a demo that trades
        assert clone.ops("resume").returncode == 0


def test_a_command_says_that_it_speaks_to_the_demo(clone: Clone) -> None:
    """Case N3: nobody may take it for a system of their own that they forgot to name."""
    ran = clone.ops("status", "--json")
    assert ran.stderr.startswith("ops: the demo at redis://127.0.0.1:")
    assert json.loads(ran.stdout)["mode"] == "paper"


def test_make_executor_needs_a_user_and_never_takes_the_login_name(clone: Clone) -> None:
    """Case N3: USER is set in every shell."""
    refused = clone.run("make", "executor")
    assert refused.returncode == 2
    assert "make executor FOR=alice" in refused.stderr
    told = clone.run("make", "--dry-run", "executor", "FOR=alice").stdout
    assert 'EXECUTOR_USERS="alice"' in told
    assert "login-name" not in told


@pytest.mark.parametrize(
    "command",
    [
        "status", "why", "why --last 5", "why --user carol --last 5", "streams", "streams --user bob", "unknown", "stopouts",
        "drift",
        "track alice", "control", "dead list", "reconcile", "audit", "preflight", "reload", "health api", "flatten --wait 0",
        "pause --user zed --reason x",
    ],
)  # fmt: skip
def test_nothing_is_wider_than_the_terminal(clone: Clone, command: str) -> None:
    """Case N11: at 80 columns, on the demo's data."""
    ran = clone.ops(*command.split())
    wide = [line for line in ran.stdout.splitlines() if len(line.rstrip()) > _WIDE]
    assert wide == []


def test_reconcile_on_a_healthy_demo_is_fine_and_says_so(clone: Clone) -> None:
    """Case N7: the demo trades all the time, so something may be too fresh to be compared; that is no difference."""
    ran = clone.ops("reconcile")
    assert ran.returncode == 0, ran.stdout
    assert "OK: " in ran.stdout
    assert "NOT OK" not in ran.stdout


def test_the_demo_shows_one_line_per_signal_and_keeps_the_rest(clone: Clone) -> None:
    """Case N12."""
    signals = len(json.loads(clone.ops("why", "--last", "1000", "--json").stdout)["signals"])
    wait_for(lambda: len(_signal_lines(clone)) >= signals, 60, "a line for each signal")
    others = len(clone.log.splitlines()) - len(_signal_lines(clone))
    assert others < 30, clone.log
    assert not [line for line in clone.log.splitlines() if "[info" in line]
    [log] = clone.folder.glob("var/demo/port-*/master-strategy.log")
    assert "signal emitted" in log.read_text()


def test_the_demo_says_when_the_first_copied_trade_came(clone: Clone) -> None:
    """Case N4: the time counts from `make demo`, with what had to be installed."""
    assert re.search(r"^first copied trade after \d+ s: (alice|bob|carol) bought ", clone.log, re.MULTILINE)


def test_when_it_has_ended_no_command_takes_it_for_running(clone: Clone) -> None:
    """Case N3: the last test of the file, since it ends the demo."""
    [told] = clone.folder.glob("var/demo/running-*.json")
    kept = told.read_text()
    clone.stop()
    assert not told.exists()
    told.write_text(kept)  # as a demo leaves it that was killed
    ran = clone.ops("status")
    assert ran.returncode == 2
    assert "the demo at" not in ran.stderr
    assert "REDIS_URL" in ran.stderr


def _signal_lines(clone: Clone) -> list[str]:
    return [line for line in clone.log.splitlines() if re.match(r"\d\d:\d\d:\d\d master ", line)]
