"""With the file as it is shipped the universe is scanned in rotating batches, and no cap is passed, whatever a strategy wants."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from services.master_strategy.plugins.needs import Needs
from shared.domain.order import Side
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.frame import Caps
from shared.strategies.port import Context, Enter, Exit, Intent
from tests.integration.master_strategy.rig import Rig, Run, until
from tests.unit.master_strategy.values import MINUTE, candles

SHIPPED: Final = Path(__file__).parents[3] / "config" / "strategy.toml"
FIVE: Final = 5 * MINUTE


class _Greedy:
    """Wants everything at each candle, and sells what it has held for two of them."""

    name, needs = "greedy", 1

    def __init__(self) -> None:
        self.wanted = 0

    def decide(self, context: Context) -> Sequence[Intent]:
        intents: list[Intent] = []
        for symbol in context.candles:
            held = context.holdings.get(symbol)
            if held is None:
                self.wanted += 1
                intents.append(Enter(symbol, Decimal("0.02"), "wanted", ExitPlan(Decimal("0.0001"))))
            elif context.now - held.opened_at >= 2 * FIVE:
                intents.append(Exit(symbol, Decimal(1), "old"))
        return intents


@pytest.fixture
async def run(rig: Rig) -> Run:
    started = await rig.start()
    await started.resume()
    return started


async def test_the_shipped_file_scans_in_batches_and_keeps_cadence_and_caps(rig: Rig, run: Run) -> None:
    fields: dict[str, Any] = tomllib.loads(SHIPPED.read_text("utf-8"))
    symbols = [Symbol.parse(name) for name in fields["symbols"]]
    rig.market.prices.update({symbol: Decimal(100) for symbol in symbols})
    read: list[tuple[int, Symbol]] = []
    listed = run.venue.candles

    async def candles_of(symbol: Symbol, minutes: int) -> Sequence[Any]:
        read.append((rig.time.now // FIVE, symbol))
        return await listed(symbol, minutes)

    run.venue.candles = candles_of  # type: ignore[method-assign]
    days = set()
    async with asyncio.TaskGroup() as tasks:
        trader, strategy = run.trader(tasks), _Greedy()
        cycle = run.cycle(trader, live=True, scan_batch=2, **fields)
        assert isinstance(cycle._slot.caps, Caps)
        assert cycle._slot.caps.settle_seconds == 6
        cycle._runner._strategy, cycle._runner.needs = strategy, Needs(1, 1)  # type: ignore[attr-defined]
        for number in range(60):
            rig.time.now = (rig.time.now // FIVE + 1) * FIVE + 1_000
            for symbol in symbols:
                rig.market.candles[symbol] = candles(100, first_at=rig.time.now - 1_000 - FIVE, step=FIVE)
            await run.mirror.refresh()
            begun = rig.time.now
            while rig.time.now // FIVE == begun // FIVE:  # until it waits for the next candle
                await cycle.turn()
                await until(lambda: not run.book.under_way)
                rig.time.now += int(cycle.pause() * 1000)
            if number > 1:
                seen = [symbol for candle, symbol in read if candle == begun // FIVE]
                assert set(seen) == set(symbols), "each is read with each candle"
            rig.time.now = begun
            days.add(datetime.fromtimestamp(begun / 1000, UTC).date())
    entered = sorted(order.opened_at for order in rig.account.orders if order.side is Side.BUY)
    assert min(at % FIVE for at in entered) >= 6_000
    gaps = [later // FIVE - earlier // FIVE for earlier, later in pairwise(entered)]
    assert min(gaps) >= 1, "300 s of market time"
    assert len(days) == 1
    assert len(entered) == 30 < strategy.wanted
    assert any(order.side is Side.SELL and order.opened_at % FIVE < 6_000 for order in rig.account.orders)
