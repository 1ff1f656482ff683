"""taskiq's message path: its Redis stream broker with a receiver, without results. Imported only if installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker


def _broker(url: str, name: str, take: Callable[[int], Awaitable[None]]) -> tuple[Any, Any]:
    broker = RedisStreamBroker(url, queue_name=name)

    async def handle(number: int) -> None:
        await take(number)

    return broker, broker.register_task(handle, task_name=name)


async def _nothing(_number: int) -> None:
    raise AssertionError("the publisher was handed a message")


@asynccontextmanager
async def publisher(url: str, name: str) -> AsyncIterator[Callable[[int], Awaitable[Any]]]:
    """Return what publishes a number."""
    broker, task = _broker(url, name, _nothing)
    await broker.startup()
    yield task.kiq
    await broker.shutdown()


async def listen(url: str, name: str, take: Callable[[int], Awaitable[None]]) -> Any:
    """Begin to hand every number to `take`; answers what must be kept."""
    broker, _ = _broker(url, name, take)
    receiving = asyncio.create_task(run_receiver_task(broker, run_startup=True))
    await asyncio.sleep(0.5)  # nothing tells when it listens
    return broker, receiving
