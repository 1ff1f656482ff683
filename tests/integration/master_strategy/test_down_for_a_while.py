"""The real process, killed, with the price moved while it is down: stops and targets are in Redis, and act at its return.

For minutes of it see `test_a_master_that_was_down_acts_by_its_first_fresh_price`, where time is stepped.
"""

from __future__ import annotations

import time
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from shared.contracts import keys
from shared.contracts.own_position_record import read_own_position
from shared.domain.values.venue import VENUES
from tests.support.processes import wait_for
from tests.support.stack import Stack

D = Decimal
_ENTRY: Final = D(60_000)
_LOT: Final = D("1E-8")
_DOWN: Final = 3.0
"""Seconds: a price of before the last fill counts for nothing, and the clocks of two processes differ by up to one."""
STRATEGY: Final = """
from decimal import Decimal

from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.port import Enter


class Once:
    needs = 1

    def __init__(self, settings):
        pass

    def decide(self, context):
        plan = ExitPlan(
            stop=Decimal(57_000),
            targets=(Target(Decimal(63_000), Decimal("0.5")), Target(Decimal(90_000), Decimal(1))),
            break_even=Decimal(60_000),
        )
        return [Enter(symbol, Decimal("0.1"), "once", plan) for symbol in context.candles if not context.holdings]
"""
_FILE: Final = """
strategy = "once:Once"
symbols = ["BTC/USD"]
poll_seconds = 0.2

[caps]
max_entries_per_day = 1
"""


def _signals(stack: Stack, kind: str) -> list[dict[str, Any]]:
    rows: Any = stack.client.xrange(keys.SIGNALS)
    return [fields for _, fields in rows if fields["kind"] == kind]


def _stop(stack: Stack, venue: str) -> Decimal | None:
    field = "BTC/USD once:Once"
    written: Any = stack.client.hget(keys.strategy("master", venue), field)
    plan = None if written is None else read_own_position(field, written).own.plan
    return None if plan is None else plan.stop


@pytest.mark.parametrize("venue", VENUES)
def test_a_target_and_then_the_raised_stop_act_after_a_kill_with_the_price_moved_meanwhile(
    tmp_path: Path, venue: str
) -> None:
    with Stack(tmp_path, price_speed=0, venue=venue) as stack:
        (stack.config / "strategies").mkdir()
        (stack.config / "strategies" / "once.py").write_text(STRATEGY)
        (stack.config / "strategy.toml").write_text(_FILE)
        # A candle that ends at this price, so that the plan fits around it.
        stack.post("/paper/clock", {"speed": 240})
        stack.price("BTC/USD", str(_ENTRY))
        stack.open_account("master", tier="unlimited", USD=100_000)
        stack.post("/paper/clock", {"speed": 0})
        stack.price("BTC/USD", str(_ENTRY))

        def start() -> Any:
            stack.client.delete(keys.lease("master"))  # its owner is dead; spares the test the wait for the end of it
            return stack.start("master", "services.master_strategy", KRAKEN_TIER="none", COINBASE_TIER="none")

        master = start()
        wait_for(lambda: _stop(stack, venue) == 57_000, 60, "it enters")
        master.kill()
        time.sleep(_DOWN)
        stack.price("BTC/USD", "64000")
        master = start()
        wait_for(lambda: len(_signals(stack, "exit")) == 1, 60, "the target that was passed while it was down")
        wait_for(lambda: _stop(stack, venue) == 60_000, 30, "the stop is at the entry")
        master.kill()
        time.sleep(_DOWN)
        stack.price("BTC/USD", "59000")
        start()
        wait_for(lambda: len(_signals(stack, "exit")) == 2, 60, "the raised stop that was passed while it was down")
        orders = stack.venue_orders("master")
        assert [row["side"] for row in orders] == ["buy", "sell", "sell"]
        bought, half, rest = (D(str(row["filled_size"])) for row in orders)
        assert (half, half + rest) == ((bought / 2).quantize(_LOT, ROUND_DOWN), bought)
        first, last = (D(each["fraction"]) for each in _signals(stack, "exit"))
        assert abs(first - D("0.5")) < D("1E-6")
        assert last == 1
