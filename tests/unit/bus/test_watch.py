"""The reads of guardians: one for all who ask the same at once, whatever becomes of those who asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
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
    since = time.monotonic()
    asked = [asyncio.create_task(watch.market("kraken", [BTC_USD], since=since)) for _ in range(count)]
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
    await watch.market("kraken", [BTC_USD], since=time.monotonic())
    assert bus.reads == 2


async def test_who_has_heard_news_does_not_join_a_read_that_began_before_them(bus: _Bus) -> None:
    watch = Watch(cast("Bus", bus))
    before = time.monotonic()
    (asked,) = await _asking(watch, 1)
    news_at = time.monotonic()
    later = asyncio.create_task(watch.market("kraken", [BTC_USD], since=news_at))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert bus.reads == 2
    bus.answer.set_result([[None] * 4, ["60000.1 1763829000000"], [None] * 4])
    await asyncio.gather(asked, later)
    await watch.market("kraken", [BTC_USD], since=before)
    await watch.market("kraken", [BTC_USD], since=news_at)
    assert bus.reads == 2, "what was read since then serves"


async def test_a_read_that_failed_serves_no_one_who_asks_later(bus: _Bus) -> None:
    watch = Watch(cast("Bus", bus))
    since = time.monotonic()
    (asked,) = await _asking(watch, 1)
    bus.answer.set_exception(BusUnavailable("away"))
    assert isinstance((await asyncio.gather(asked, return_exceptions=True))[0], BusUnavailable)
    bus.answer = asyncio.get_running_loop().create_future()
    bus.answer.set_result([[None] * 4, ["60000.1 1763829000000"], [None] * 4])
    assert (await watch.market("kraken", [BTC_USD], since=since)).prices
