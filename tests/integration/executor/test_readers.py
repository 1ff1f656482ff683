"""Many users of one process are read side by side, each by the reader of his neighbours."""

from __future__ import annotations

import asyncio

from services.executor.readers import NEIGHBOURS, StreamReaders
from shared.bus.connection import Bus
from shared.bus.lease import acquire
from shared.bus.streams import Group
from shared.contracts import keys

USERS = [f"user-{number:03}" for number in range(2 * NEIGHBOURS + 10)]


async def test_every_user_gets_his_own_orders_whichever_reader_reads_them(bus: Bus) -> None:
    readers = StreamReaders(bus, USERS)
    everybody = [*USERS, "zoe"]  # she came after the start
    got: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    await Group(bus, keys.EXECUTOR).ensure([keys.orders(user) for user in everybody])
    task = asyncio.create_task(readers.run())
    for user in everybody:
        lease = await acquire(bus, user, "me")
        assert lease is not None
        readers.register(user, lease, lambda entry, _, user=user: got.put_nowait((user, entry.fields["of"])))  # type: ignore[misc]
    await bus.do_all([("XADD", keys.orders(user), "*", "of", user) for user in everybody])
    async with asyncio.timeout(10):
        came = [await got.get() for _ in everybody]
    assert sorted(came) == [(user, user) for user in everybody]
    assert str(await bus.do("CLIENT", "LIST")).count("name=test:read ") == 3
    gone, stays = USERS[0], USERS[1]
    await readers.unregister(gone)
    await bus.do_all([("XADD", keys.orders(user), "*", "of", user) for user in (gone, stays)])
    async with asyncio.timeout(10):
        assert await got.get() == (stays, stays)
    assert got.empty()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
