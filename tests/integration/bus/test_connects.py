"""The connects that all processes of an address share: never more than the venue takes, and masters first."""

from __future__ import annotations

import asyncio

import pytest

from shared.bus.connection import Bus, open_bus
from shared.bus.connects import LIMITS, ConnectBudget, ConnectLimit
from shared.bus.errors import BusRefused
from shared.contracts import keys
from shared.domain.values.venue import VENUES
from tests.support.redis_server import RedisServer

HOUR: int = 3_600_000
FIVE = ConnectLimit(most=5, window_ms=HOUR, kept=2)


def budget(bus: Bus, limit: ConnectLimit = FIVE) -> ConnectBudget:
    return ConnectBudget(bus, "kraken", limit)


async def taken(bus: Bus, *, first: bool, times: int, limit: ConnectLimit = FIVE) -> int:
    """Ask at once as often as that; return how many were granted."""
    asked = await asyncio.gather(*(budget(bus, limit).take(first=first) for _ in range(times)))
    return asked.count(0.0)


async def test_users_leave_the_reserve_to_masters_who_may_take_everything(bus: Bus) -> None:
    assert await taken(bus, first=False, times=8) == 3
    assert await taken(bus, first=True, times=8) == 2
    assert await bus.do("ZCARD", keys.connects("kraken")) == 5


async def test_masters_alone_may_take_all(bus: Bus) -> None:
    assert await taken(bus, first=True, times=8) == 5
    assert await taken(bus, first=False, times=3) == 0


async def test_users_without_orders_leave_a_part_to_those_who_have_some(bus: Bus) -> None:
    limit = ConnectLimit(most=9, window_ms=HOUR, kept=2, kept_from_idle=5)
    idle = await asyncio.gather(*(budget(bus, limit).take(idle=True) for _ in range(9)))
    assert idle.count(0.0) == 4
    assert await taken(bus, first=False, times=9, limit=limit) == 3
    assert await taken(bus, first=True, times=9, limit=limit) == 2


async def test_processes_share_one_count(bus: Bus, own_server: RedisServer) -> None:
    async with open_bus(own_server.url, "one") as one, open_bus(own_server.url, "two") as two:
        granted = await asyncio.gather(*(taken(each, first=True, times=4) for each in (one, two)))
    assert sum(granted) == 5


async def test_venues_are_counted_apart(bus: Bus) -> None:
    assert await taken(bus, first=True, times=5) == 5
    assert await ConnectBudget(bus, "coinbase", FIVE).take(first=False) == 0


async def test_addresses_are_counted_apart_and_their_processes_together(bus: Bus) -> None:
    assert await taken(bus, first=True, times=5) == 5
    granted = [await ConnectBudget(bus, "kraken", FIVE, source="203.0.113.7").take(first=True) for _ in range(6)]
    assert granted.count(0.0) == 5
    assert await ConnectBudget(bus, "kraken", FIVE, source="203.0.113.8").take(first=True) == 0
    assert await bus.do("ZCARD", keys.connects("kraken", "203.0.113.7")) == 5


async def test_the_wait_is_until_enough_of_the_oldest_have_left_the_window(bus: Bus) -> None:
    """Three are taken 10, 20 and 30 minutes ago; a user waits for the first of them to leave, and no longer."""
    now = int((await bus.do("TIME"))[0]) * 1000
    for minutes in (10, 20, 30):
        await bus.do("ZADD", keys.connects("kraken"), now - minutes * 60_000, f"{minutes}")
    assert await budget(bus).take(first=False) == pytest.approx(30 * 60, abs=5)
    assert await taken(bus, first=True, times=2) == 2
    # For a master one of five has to leave; for a user, who may not have the last two, three of five.
    assert await budget(bus).take(first=True) == pytest.approx(30 * 60, abs=5)
    assert await budget(bus).take(first=False) == pytest.approx(50 * 60, abs=5)


async def test_a_connect_leaves_the_window(bus: Bus) -> None:
    now = int((await bus.do("TIME"))[0]) * 1000
    for number in range(5):
        await bus.do("ZADD", keys.connects("kraken"), now - HOUR - 1000, f"{number}")
    assert await taken(bus, first=False, times=5) == 3


async def test_a_clock_that_was_set_back_neither_blocks_for_ever_nor_forgets(bus: Bus) -> None:
    now = int((await bus.do("TIME"))[0]) * 1000
    for number in range(5):
        await bus.do("ZADD", keys.connects("kraken"), now + 50 * HOUR, f"{number}")
    wait = await budget(bus).take(first=True)
    assert wait == pytest.approx(HOUR / 1000, abs=5)


async def test_the_key_ends_with_the_window(bus: Bus) -> None:
    await budget(bus).take(first=True)
    assert 0 < await bus.do("PTTL", keys.connects("kraken")) <= HOUR


async def test_a_key_of_another_type_is_refused_before_anything_is_written(bus: Bus) -> None:
    await bus.do("SET", keys.connects("kraken"), "x")
    with pytest.raises(BusRefused):
        await budget(bus).take(first=True)


async def test_waiting_ends_with_a_connect_and_survives_an_outage(own_bus: Bus, own_server: RedisServer) -> None:
    slept: list[float] = []
    short = ConnectLimit(most=1, window_ms=400, kept=0)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            own_server.stop()
        if len(slept) == 4:
            own_server.start()
        await asyncio.sleep(seconds if seconds < 1 else 0)

    waiting = ConnectBudget(own_bus, "kraken", short, sleep=sleep)
    await waiting.wait(first=False)
    assert slept == []
    while len(slept) < 5:
        await waiting.wait(first=False)


@pytest.mark.parametrize("venue", VENUES)
def test_every_venue_has_a_limit_with_a_part_for_masters(venue: str) -> None:
    limit = LIMITS[venue]
    assert 0 < limit.kept < limit.most
