"""A kept value that is forgotten while it is read: what is being read may be from before the change."""

from __future__ import annotations

import asyncio

from services.api.timed_cache import TimedCache


async def test_a_value_that_was_being_read_while_it_was_forgotten_is_not_kept() -> None:
    values, gate = iter("abc"), asyncio.Event()

    async def read() -> str:
        found = next(values)
        await gate.wait()
        return found

    cache = TimedCache(read, 1_000)
    first = asyncio.create_task(cache.get())
    await asyncio.sleep(0)
    cache.forget()
    gate.set()
    assert await first == "a"
    assert [await cache.get(), await cache.get()] == ["b", "b"]
    cache.forget()
    assert await cache.get() == "c"
