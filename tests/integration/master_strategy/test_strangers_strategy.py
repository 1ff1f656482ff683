"""The real process with strategies that are not shipped: the example trades, and one that hangs is paused beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from shared.contracts import keys
from shared.domain.fault import FaultKind
from tests.support.processes import wait_for
from tests.support.stack import Stack

_EXAMPLE = Path(__file__).parents[3] / "config" / "strategies" / "breakout.py"
_HANGS = """
class Hangs:
    needs = 2

    def __init__(self, settings):
        pass

    def decide(self, context):
        while True:
            pass
"""
_FILE = """
symbols = ["BTC/USD", "ETH/USD"]
entry_gap_seconds = 0
poll_seconds = 0.2
budget_seconds = 5

[[strategies]]
strategy = "breakout:Breakout"
equity_pct = 60
settings = {candles = 2, stop_pct = 0.3}

[[strategies]]
strategy = "hangs:Hangs"
equity_pct = 40
"""


def _signals(stack: Stack) -> list[dict[str, str]]:
    rows: Any = stack.client.xrange(keys.SIGNALS)
    return [fields for _, fields in rows]


def _faults(stack: Stack) -> str:
    names = list(stack.client.scan_iter(match="shoal:heartbeat:master-strategy:*"))
    return json.dumps([stack.client.hgetall(name) for name in names])


def test_the_example_trades_while_one_that_hangs_is_paused_and_shown(tmp_path: Path) -> None:
    with Stack(tmp_path, price_speed=240) as stack:
        stack.open_account("master", USD=100_000)
        (stack.config / "strategies").mkdir()
        shutil.copy(_EXAMPLE, stack.config / "strategies")
        (stack.config / "strategies" / "hangs.py").write_text(_HANGS)
        (stack.config / "strategy.toml").write_text(_FILE)
        master = stack.start("master", "services.master_strategy")
        wait_for(lambda: {each["kind"] for each in _signals(stack)} == {"entry", "exit"}, 120, "it enters and leaves")
        assert {each["strategy"] for each in _signals(stack)} == {"breakout:Breakout"}
        wait_for(lambda: "paused: it took longer than 5 s" in _faults(stack), 60, "the status names the paused one")
        assert f'"{FaultKind.STRATEGY}' in _faults(stack).replace("\\", "")
        before = len(_signals(stack))
        wait_for(lambda: len(_signals(stack)) > before, 60, "the other one goes on")
        assert not list((stack.config / "strategies").glob("**/*.pyc"))
        master.kill()  # the positions' plans are in Redis
        held = stack.client.hgetall(keys.strategy("master", "kraken"))
        assert held
        assert set(held) <= {"BTC/USD breakout:Breakout", "ETH/USD breakout:Breakout"}
