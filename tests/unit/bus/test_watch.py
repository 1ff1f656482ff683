"""The reads of guardians: one for all who ask the same at once, whatever becomes of those who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from shared.bus.connection import Bus
from shared.bus.state.watch import Watch
from shared.domain.control import ControlMode
from tests.support.examples import BTC_USD


class _Bus:
    """Answers a read when it is let, or fails it."""

    def __init__(self) -> None:
        self.reads = 0
        self.answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    async def do_all(self, commands: Sequence[object]) -> list[Any]:
        self.reads += 1
        return await asyncio.shield(self.answer)


@pytest.fixture
async def bus() -> _Bus:
    return _Bus()


async def _asking(watch: Watch, count: int) -> list[asyncio.Task[Any]]:
    asked = [asyncio.create_task(watch.market("kraken", [BTC_USD])) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return asked


async def test_a_crowd_that_asks_at_once_reads_once_and_the_next_one_reads_again(bus: _Bus) -> None:
    watch = Watch(cast("Bus", bus))
    asked = await _asking(watch, 3)
    asked[0].cancel()
    bus.answer.set_result([["halt", None, None, None], ["60000.1 1763829000000"], [None] * 4])
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert [market.everybody.mode for market in found[1:] if not isinstance(market, BaseException)] == [
        ControlMode.HALT,
        ControlMode.HALT,
    ]
    assert bus.reads == 1
    await watch.market("kraken", [BTC_USD])
    assert bus.reads == 2
