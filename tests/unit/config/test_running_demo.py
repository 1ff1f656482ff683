"""How a command finds the demo: only while it runs, only if it is told nothing else, and never for real money."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.running_demo import adopt, announced, find

DEMO = {"REDIS_URL": "redis://127.0.0.1:6390/0", "PAPER_URL": "http://127.0.0.1:8100", "KRAKEN_MASTER_API_KEY": "PAPER"}
FOUND = {"REDIS_URL": "redis://127.0.0.1:6390/0", "PAPER_URL": "http://127.0.0.1:8100"}


def test_a_demo_is_found_as_long_as_it_runs_and_no_key_is_written(tmp_path: Path) -> None:
    """Case N3."""
    assert find(tmp_path / "nowhere") == {}
    with announced(DEMO, 6390, tmp_path):
        assert adopt({}, tmp_path) == FOUND
        assert 'PAPER"' not in (tmp_path / "running-6390.json").read_text()
    assert adopt({}, tmp_path) == {}


@pytest.mark.parametrize(
    ("environment", "adopted"),
    [
        ({"REDIS_URL": "redis://elsewhere:6379/0"}, {}),
        ({"SHOAL_MODE": "live"}, {}),
        ({"REDIS_URL": " ", "SHOAL_MODE": "paper"}, FOUND),
        ({"PAPER_URL": "http://127.0.0.1:1"}, {"REDIS_URL": FOUND["REDIS_URL"]}),
    ],
)
def test_what_the_environment_says_wins_and_live_mode_meets_no_demo(
    tmp_path: Path, environment: dict[str, str], adopted: dict[str, str]
) -> None:
    """Case N3."""
    with announced(DEMO, 6390, tmp_path):
        assert adopt(environment, tmp_path) == adopted


@pytest.mark.parametrize("change", [{"pid": 999_999_999}, {"started": "1"}, {"pid": "none"}, {"started": None}])
def test_what_a_killed_demo_left_is_ignored_and_cleared_by_the_next(tmp_path: Path, change: dict[str, object]) -> None:
    """Case N3: the pid may be another program's by now."""
    path = tmp_path / "running-6390.json"
    with announced(DEMO, 6390, tmp_path):
        left = json.loads(path.read_text())
    path.write_text(json.dumps({**left, **change}))
    assert adopt({}, tmp_path) == {}
    with announced(DEMO, 6391, tmp_path):
        assert not path.exists()
        assert adopt({}, tmp_path) == FOUND


def test_of_several_demos_none_is_guessed(tmp_path: Path) -> None:
    """Case N3."""
    other = {"REDIS_URL": "redis://127.0.0.1:6391/0"}
    with (
        announced(DEMO, 6390, tmp_path),
        announced(other, 6391, tmp_path),
        pytest.raises(ConfigurationError, match="2 demos are running"),
    ):
        adopt({}, tmp_path)
