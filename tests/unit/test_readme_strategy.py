"""The README's own strategy, taken from its text alone, works as the README says: in the backtest, in its test, in the master."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from services.ops.app import build
from shared.config.users.loader import FileProblem, read_user
from shared.domain.limits.policy import UserPolicy
from shared.strategies.settings import load_strategy
from tests.support.python_module import ROOT
from tests.support.readme import config_of_the_readme, readme_files

_CODE: Final = "config/strategies/dip.py"
_MOST_LINES: Final = 40
_COMMAND: Final = ("--seed", "7", "--days", "60", "--user", "alice=5000", "--user", "bob=1200", "--user", "carol=60")


@pytest.fixture(name="config")
def with_the_readmes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use the shipped configuration with the README's files in it."""
    config = config_of_the_readme(tmp_path)
    monkeypatch.setenv("SHOAL_CONFIG", str(config))
    yield config
    sys.modules.pop("dip", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(config / "strategies")]


def test_the_example_is_whole_and_short() -> None:
    code = readme_files()[_CODE]
    assert len(code.splitlines()) + 1 <= _MOST_LINES  # with the line that names the file
    assert [node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef)] == ["Dip"]


def test_the_master_accepts_both_files_as_they_stand(config: Path) -> None:
    [slot] = load_strategy(config).slots(config)
    assert (slot.name, slot.interval_minutes, slot.kind.shipped, slot.caps.max_positions) == ("dip:Dip", 5, False, 2)
    assert slot.build().needs == 60


@pytest.mark.usefixtures("config")
def test_the_backtest_prints_what_the_readme_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f'$ make backtest ARGS="{" ".join(_COMMAND)}"' in readme
    shown = readme.partition("$ make backtest ARGS=")[2].partition("```")[0].splitlines()[1:-1]
    monkeypatch.setenv("COLUMNS", "100")
    done = CliRunner().invoke(build("backtest"), ["backtest", *_COMMAND])
    assert done.exception is None, done.exception
    printed = [line.rstrip() for line in done.stdout.splitlines()]
    assert printed[: len(shown)] == shown


@pytest.mark.usefixtures("config")
def test_users_copy_it_in_the_backtest() -> None:
    done = CliRunner().invoke(build("backtest"), ["backtest", *_COMMAND, "--json"])
    assert done.exception is None, done.exception
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    master, alice, bob, carol = found["accounts"]
    assert found["strategies"] == ["dip:Dip"]
    assert master["trades"] > 100
    assert alice["copied"] == bob["copied"]
    assert 0 < carol["copied"]["entry"] < alice["copied"]["entry"]


def test_its_own_test_passes_as_the_readme_runs_it(config: Path) -> None:
    run = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(config),
        str(config / "strategies"),
    ]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout  # with those of the example that is shipped


def test_the_users_part_of_a_named_master_is_accepted(config: Path) -> None:
    file = config / "users" / "dave.toml"
    file.write_text(readme_files()["config/users/alice.toml"], encoding="utf-8")
    (config / "masters").mkdir()
    (config / "masters" / "swing.toml").write_text('venue = "kraken"\n')
    found = read_user(file)
    assert not isinstance(found, FileProblem), found
    assert isinstance(found, UserPolicy)
    assert [(each.name, each.venue, each.share_pct) for each in found.masters] == [("swing", "kraken", Decimal(30))]
