"""A newcomer's strategy, from the README's text alone, in the demo: the master trades by it, and every user follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from shared.contracts import keys
from tests.support.demo import Demo
from tests.support.processes import wait_for
from tests.support.readme import config_of_the_readme

USERS: Final = ("alice", "bob", "carol")
_MARKET: Final = """
[market]
speed = 1800.0
seed = 7
regime = "trend"
"""
"""A market in which the strategy trades soon: a candle of 5 minutes every sixth of a second."""


@pytest.fixture(name="config")
def with_the_readmes_files(tmp_path: Path) -> Path:
    """Write the shipped configuration with the README's files in it, and a quick market."""
    config = config_of_the_readme(tmp_path)
    (config / "paper.toml").write_text(_MARKET, encoding="utf-8")
    return config


@pytest.fixture(name="demo")
def started(tmp_path: Path, config: Path) -> Iterator[Demo]:
    """Start the demo with that configuration."""
    demo = Demo(tmp_path, SHOAL_CONFIG=str(config))
    try:
        yield demo
    finally:
        demo.end()


def _entries(demo: Demo, stream: str) -> list[dict[str, str]]:
    rows: Any = demo.redis.xrange(stream)
    return [fields for _, fields in rows]


def test_the_master_trades_by_it_and_all_users_follow_in_and_out(demo: Demo) -> None:
    demo.wait_for_line("every user has a copied trade", 120)
    signals = _entries(demo, keys.SIGNALS)
    assert {(each["source"], each["strategy"]) for each in signals} == {("strategy", "dip:Dip")}
    wait_for(lambda: "exit" in {each["kind"] for each in _entries(demo, keys.SIGNALS)}, 120, "it sells what it bought")
    wait_for(lambda: all(_sold(demo, user) for user in USERS), 60, "every user sells with the master")
    audit = demo.ops("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_mistake_in_it_is_on_the_screen_with_file_and_line(tmp_path: Path, config: Path) -> None:
    code = config / "strategies" / "dip.py"
    code.write_text(code.read_text("utf-8").replace("import Enter, Exit", "import Enter, Exits"), encoding="utf-8")
    demo = Demo(tmp_path, SHOAL_CONFIG=str(config))
    try:
        assert demo.process.wait(60) == 1
        assert f"{config / 'strategy.toml'}: strategy: dip cannot be imported: ImportError" in demo.log
        assert "(dip.py:7)" in demo.log
    finally:
        demo.end()


def _sold(demo: Demo, user: str) -> bool:
    return any(each["kind"] == "exit" and each["outcome"] == "filled" for each in _entries(demo, keys.reports(user)))
