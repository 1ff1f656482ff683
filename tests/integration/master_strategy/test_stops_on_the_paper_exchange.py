"""The real process with `stop_at_venue` at a paper exchange: killed at every step, and off while the stop acts."""

from __future__ import annotations

import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from shared.contracts import keys
from shared.contracts.own_position_record import read_own_position
from shared.domain.values.venue import VENUES, VenueName
from tests.integration.master_strategy.test_down_for_a_while import STRATEGY
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

D = Decimal
_FILE: Final = """
strategy = "once:Once"
symbols = ["BTC/USD"]
poll_seconds = 0.2
stop_at_venue = {stops}

[caps]
max_entries_per_day = 1
"""
_DOWN: Final = 3.0
"""Seconds: a price of before the last fill counts for nothing, and the clocks of two processes differ by up to one."""


class _Master:
    """The master of a stack, one process after another."""

    def __init__(self, stack: Stack, venue: str) -> None:
        self._stack, self._venue = stack, venue
        (stack.config / "strategies").mkdir()
        (stack.config / "strategies" / "once.py").write_text(STRATEGY)
        stack.post("/paper/clock", {"speed": 240})
        stack.price("BTC/USD", "60000")
        stack.open_account("master", tier="unlimited", USD=100_000)
        stack.post("/paper/clock", {"speed": 0})
        stack.price("BTC/USD", "60000")

    def start(self, *, stops: bool = True, dies_at: str = "") -> Service:
        self._stack.client.delete(keys.lease("master"))
        (self._stack.config / "strategy.toml").write_text(_FILE.format(stops=str(stops).lower()))
        more = {"DEBUG_DIE_AT": dies_at} if dies_at else {}
        return self._stack.start("master", "services.master_strategy", KRAKEN_TIER="none", COINBASE_TIER="none", **more)

    def dies(self, at: str) -> None:
        """Run one that kills itself at a step."""
        master = self.start(dies_at=at)
        assert master.wait(60) == -signal.SIGKILL, master.log()

    def signals(self, kind: str) -> list[dict[str, Any]]:
        rows: Any = self._stack.client.xrange(keys.SIGNALS)
        return [fields for _, fields in rows if fields["kind"] == kind]

    def held(self) -> Decimal:
        field = "BTC/USD once:Once"
        written: Any = self._stack.client.hget(keys.strategy("master", self._venue), field)
        return D(0) if written is None else read_own_position(field, written).own.size.amount

    def sales(self, *, filled: bool) -> list[dict[str, Any]]:
        rows = [row for row in self._stack.venue_orders("master") if row["side"] == "sell"]
        return [row for row in rows if (D(str(row["filled_size"])) > 0) is filled]

    def open_sales(self) -> list[dict[str, Any]]:
        return [row for row in self.sales(filled=False) if row["status"] in {"open", "pending"}]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("venue", VENUES)
def test_killed_at_every_step_there_is_one_stop_and_one_exit(tmp_path: Path, venue: str) -> None:
    with Stack(tmp_path, price_speed=0, venue=venue) as stack:
        master = _Master(stack, venue)
        process = master.start(stops=False)
        wait_for(lambda: master.held() > 0, 60, "it enters")
        bought = master.held()
        process.kill()
        time.sleep(_DOWN)
        master.dies("master-after-write-ahead")
        if venue == VenueName.KRAKEN:  # Coinbase is asked by sending what was recorded again, which places it
            master.dies("master-after-reply")
        process = master.start()
        wait_for(lambda: len(master.open_sales()) == 1, 60, "a stop rests")
        process.kill()
        assert master.signals("exit") == []
        stack.price("BTC/USD", "56900")  # the venue sells, and nothing of Shoal runs
        wait_for(lambda: len(master.sales(filled=True)) == 1, 30, "the stop has acted")
        time.sleep(_DOWN)
        for step in ("master-before-emit", "master-after-emit", "master-before-settle"):
            master.dies(step)
        master.start()
        wait_for(lambda: master.signals("exit") and not master.held(), 60, "the exit is emitted and booked")
        time.sleep(1)
        [exit_] = master.signals("exit")
        assert (D(exit_["base_size"]), exit_["fraction"]) == (bought, "1")
        [sale] = master.sales(filled=True)
        assert D(str(sale["filled_size"])) == bought
        assert not master.open_sales()
        assert not stack.invalid_nonces()
