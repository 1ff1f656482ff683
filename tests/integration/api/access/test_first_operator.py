"""The operator is created at the very first start, also of an api that starts while Redis refuses writes."""

from __future__ import annotations

import pytest

from services.api.access.sign_in.desk import create_first_operator
from shared.bus.connection import Bus
from shared.sign_in.people import FIRST, People


async def test_it_is_created_once_redis_takes_writes_again(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        assert await People(bus).is_empty()
        if len(slept) == 2:
            await bus.do("CONFIG", "SET", "maxmemory", "0")

    await bus.do("CONFIG", "SET", "maxmemory", "1")
    try:
        await create_first_operator(bus, sleep)
    finally:
        await bus.do("CONFIG", "SET", "maxmemory", "0")
    assert await People(bus).find(FIRST) is not None
    assert len(slept) == 2
    assert capsys.readouterr().out.count("cannot be read or written") == 1
