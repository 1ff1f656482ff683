"""Many users of one process are read side by side, each by the reader of his neighbours."""

from __future__ import annotations

import asyncio

from services.executor.turn.order_reader import StreamReader
from services.executor.turn.stream_readers import NEIGHBOURS, StreamReaders
from shared.bus.connection import Bus
from shared.bus.flow.streams import Group
from shared.bus.ownership.lease import acquire
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults

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


async def test_a_stream_that_redis_refuses_to_read_is_left_out_until_it_can_be_read(bus: Bus) -> None:
    """Case S4: one of another type makes the read of all fail; the others are read, and it is read once it is right."""
    faults = Faults()
    reader = StreamReader(bus, faults)
    users = ["alice", "bob", "carol"]
    got: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    await Group(bus, keys.EXECUTOR).ensure([keys.orders(user) for user in users])
    await bus.do("RENAME", keys.orders("bob"), "aside")
    await bus.do("SET", keys.orders("bob"), "not a stream")
    task = asyncio.create_task(reader.run())
    for user in users:
        lease = await acquire(bus, user, "me")
        assert lease is not None
        reader.register(user, lease, lambda entry, _, user=user: got.put_nowait((user, entry.fields["n"])))  # type: ignore[misc]
    await bus.do("XADD", "aside", "*", "n", "0")
    async with asyncio.timeout(30):
        for number in range(3):
            await bus.do_all([("XADD", keys.orders(user), "*", "n", str(number)) for user in ("alice", "carol")])
            assert sorted([await got.get(), await got.get()]) == [("alice", str(number)), ("carol", str(number))]
        while not faults.standing:  # noqa: ASYNC110  # the register has no event
            await asyncio.sleep(0.01)
        (fault,) = faults.standing
        assert (fault.kind, fault.subject) == (FaultKind.STREAM, "bob")
        assert "WRONGTYPE" in fault.reason
        await bus.do("DEL", keys.orders("bob"))
        await bus.do("RENAME", "aside", keys.orders("bob"))
        assert await got.get() == ("bob", "0")
        await bus.do("XADD", keys.orders("bob"), "*", "n", "1")
        assert await got.get() == ("bob", "1")
    assert faults.standing == ()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_a_reader_could_not_read_is_its_own_fault_and_over_with_its_users(bus: Bus) -> None:
    """Another reader's success must not clear it, to be logged anew at once; nor may it stand when nobody is served here."""
    faults = Faults()
    readers = StreamReaders(bus, USERS, faults)
    group, bad, good = Group(bus, keys.EXECUTOR), USERS[:2], USERS[-1]
    await group.ensure([keys.orders(good)])
    for user in bad:
        await bus.do("SET", keys.orders(user), "not a stream")
    for user in (*bad, good):
        lease = await acquire(bus, user, "me")
        assert lease is not None
        readers.register(user, lease, lambda entry, redelivered: None)
    task = asyncio.create_task(readers.run())
    async with asyncio.timeout(20):
        while not faults.standing:  # noqa: ASYNC110  # the register has no event
            await asyncio.sleep(0.01)
        await asyncio.sleep(2.5)  # the good one is read in between
        (fault,) = faults.standing
        assert (fault.kind, fault.blocks) == (FaultKind.REDIS, True)
        assert fault.count > 2
        for user in bad:
            await readers.unregister(user)
        while faults.standing:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
