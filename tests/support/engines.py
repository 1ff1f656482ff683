"""A copy engine that runs inside a test, and ways to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from services.copy_engine.engine import Engine
from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.ownership.lease import acquire
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from tests.support.examples import NOW

_PATIENCE: Final = 60.0


@asynccontextmanager
async def running(
    bus: Bus,
    users: Sequence[UserPolicy],
    owner: str = "first",
    clock: Callable[[], int] = lambda: NOW + 40,
    elapsed: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Engine]:
    """Run an engine for as long as the test looks at it; its own failure is the test's."""
    lease = await acquire(bus, keys.ENGINE, owner)
    assert lease is not None
    engine = Engine(bus, users, Heartbeat(Records(bus), "copy-engine", owner), clock, elapsed)
    turn = asyncio.create_task(engine.serve(lease))
    try:
        yield engine
    finally:
        failed = turn.done()
        turn.cancel()
        with suppress(asyncio.CancelledError):
            await turn
        assert not failed
        await lease.release()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds."""
    async with asyncio.timeout(_PATIENCE):
        while not await condition():  # noqa: ASYNC110  # what is waited for stands in Redis; there is no event to wait on
            await asyncio.sleep(0.01)


async def read_elsewhere(bus: Bus, stream: str, group: str, fields: Mapping[str, str]) -> None:
    """Append an entry that a process reads which owns the stream no more: it gets it before any read that waits."""
    steps = """
        redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
        redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[1], 'STREAMS', KEYS[1], '>')
    """
    await bus.do("EVAL", steps, 1, stream, group, *flatten(fields))


async def carried(bus: Bus, count: int) -> None:
    """Wait until so many signals were read and every one of them acknowledged."""

    async def done() -> bool:
        for row in await bus.do("XINFO", "GROUPS", keys.SIGNALS):
            facts = dict(zip(row[::2], row[1::2], strict=True))
            return bool(facts["entries-read"] == count and facts["pending"] == 0)
        return False

    await until(done)
