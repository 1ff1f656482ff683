"""A reading that is shared by those who ask at once."""

from __future__ import annotations

import asyncio

import pytest

from services.api.timed_cache import TimedCache


class Source:
    """Counts how often it is read, and fails while told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.now = 100.0
        self.failing = False

    async def read(self) -> int:
        self.reads += 1
        await asyncio.sleep(0)
        if self.failing:
            raise OSError("gone")
        return self.reads


async def test_it_is_read_once_for_all_who_ask_at_once() -> None:
    source = Source()
    fresh = TimedCache(source.read, 1.0, lambda: source.now)
    assert await asyncio.gather(*(fresh.get() for _ in range(50))) == [1] * 50


async def test_it_is_read_again_once_the_interval_is_over() -> None:
    source = Source()
    fresh = TimedCache(source.read, 1.0, lambda: source.now)
    assert await fresh.get() == 1
    source.now += 0.9
    assert await fresh.get() == 1
    source.now += 0.2
    assert await fresh.get() == 2


async def test_a_failure_reaches_the_caller_and_is_not_kept() -> None:
    source = Source()
    fresh = TimedCache(source.read, 1.0, lambda: source.now)
    await fresh.get()
    source.now += 2
    source.failing = True
    with pytest.raises(OSError, match="gone"):
        await fresh.get()
    source.failing = False
    assert await fresh.get() == 3
