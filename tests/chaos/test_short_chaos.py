"""One short seed of the chaos run. `make chaos` runs the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.__main__ import chaos
from tests.chaos.script import write_script
from tests.chaos.trading.followers import Mix


@pytest.mark.timeout(240)
def test_a_short_seed_conserves_everything(tmp_path: Path) -> None:
    script = write_script(seed=7, signals=40, users=6, pace=0.5, mix=Mix.MIXED)  # six users are of every kind
    verdict = chaos(tmp_path / "run", script, patience=120)
    assert verdict.ok, verdict.breaches
    assert min(verdict.figures["orders_at"].values()) > 20


def test_the_same_seed_gives_the_same_script() -> None:
    assert write_script(5, 50, 10, 0.5) == write_script(5, 50, 10, 0.5)
    assert write_script(5, 50, 10, 0.5) != write_script(6, 50, 10, 0.5)
