"""The version that the processes report is the project's."""

from __future__ import annotations

import tomllib

from shared import __version__
from tests.support.processes import ROOT


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
