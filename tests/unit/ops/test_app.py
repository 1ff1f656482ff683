"""Every command is there under its name, and asking for one imports that one alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command

from services.ops.app import COMMANDS, build
from tests.support.processes import ROOT


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_asked_for_is_put_together_alone(name: str) -> None:
    assert list(getattr(get_command(build(name)), "commands")) == [name]  # noqa: B009  # a group has them


@pytest.mark.parametrize("asked_for", ["", "--help", "no-such-command"])
def test_without_a_commands_name_all_are_put_together(asked_for: str) -> None:
    assert set(getattr(get_command(build(asked_for)), "commands")) == set(COMMANDS)  # noqa: B009


def test_asking_for_one_command_imports_no_other() -> None:
    asked = (
        "import sys; from services.ops.app import build; build('streams'); ops = 'services.ops.'; "
        "sys.exit({ops + 'system.streams', ops + 'orders.why'} & set(sys.modules) != {ops + 'system.streams'})"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False, cwd=ROOT, timeout=60).returncode == 0
