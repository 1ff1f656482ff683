"""faststream's message path: a Redis stream with a consumer group, as its documentation shows it. Imported only if installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from faststream.redis import RedisBroker, StreamSub


@asynccontextmanager
async def publisher(url: str, name: str) -> AsyncIterator[Callable[[int], Awaitable[Any]]]:
    """Return what publishes a number."""
    async with RedisBroker(url, logger=None) as broker:
        yield lambda number: broker.publish(number, stream=name)


async def listen(url: str, name: str, take: Callable[[int], Awaitable[None]]) -> Any:
    """Begin to hand every number to `take`; answers what must be kept."""
    broker = RedisBroker(url, logger=None)

    async def handle(number: int) -> None:
        await take(number)

    broker.subscriber(stream=StreamSub(name, group=name, consumer="worker"))(handle)
    await broker.start()
    return broker
