"""Whole turns of alice's, for tests of more than one decision at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.executor.turn.order_reader import StreamReader
from services.executor.turn.user_turn import UserTurn
from shared.domain.order import OrderState
from tests.integration.executor.rig import USER, Owner, Rig, crash, until


@asynccontextmanager
async def turn(rig: Rig, owner: Owner, *, reading: bool = True) -> AsyncIterator[StreamReader]:
    """Serve alice; the stream is only read if `reading`."""
    reader = StreamReader(rig.bus)
    session = UserTurn(rig.bus, reader, {"kraken": owner.context}, owner.lease, USER, asyncio.Event())
    tasks = [asyncio.create_task(session.serve())]
    if reading:
        tasks.append(asyncio.create_task(reader.run()))
    try:
        yield reader
    finally:
        for task in reversed(tasks):
            await crash(task)


async def served(reader: StreamReader) -> None:
    """Wait until what is read reaches a session."""

    async def registered() -> bool:
        return bool(reader._registered)

    await until(registered, "the session is served")


async def reported(rig: Rig, count: int) -> list[OrderState]:
    """Wait for so many reports; answers their outcomes."""

    async def there() -> bool:
        return len(await rig.reports()) >= count

    await until(there, f"{count} reports")
    return [report.outcome for report in await rig.reports()]
