"""One connection for everybody: answers reach whoever asked, whoever else gave up, failed or asked in the same turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvloop
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError, ResponseError

from shared.bus.client.wire import Wire
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusUnavailable
from tests.support.redis_server import RedisServer


async def test_what_is_asked_in_one_turn_is_answered_to_each_asker(bus: Bus) -> None:
    numbers = await asyncio.gather(*(bus.do("INCR", "n") for _ in range(2_000)))
    assert numbers == list(range(1, 2_001))


async def test_what_is_asked_in_one_turn_leaves_together(bus: Bus) -> None:
    async def reads() -> int:
        stats = str(await bus.do("INFO", "stats"))
        return next(int(line.split(":")[1]) for line in stats.splitlines() if line.startswith("total_reads_processed"))

    before = await reads()
    await asyncio.gather(*(bus.do("INCR", "n") for _ in range(50)))
    assert await reads() - before <= 4


async def test_an_asker_who_gives_up_takes_nobody_elses_answer_along(bus: Bus) -> None:
    first = asyncio.create_task(bus.do("INCR", "n"))
    second = asyncio.create_task(bus.do("INCR", "n"))
    third = asyncio.create_task(bus.do_all([("INCR", "n"), ("GET", "n")]))
    await asyncio.sleep(0)
    second.cancel()
    assert await first == 1
    assert await third == [3, "3"]
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_refusal_reaches_only_whoever_asked_for_it(bus: Bus) -> None:
    await bus.do("SET", "text", "x")
    found = await asyncio.gather(
        bus.do("INCR", "n"), bus.do("LPUSH", "text", "y"), bus.do("INCR", "n"), return_exceptions=True
    )
    assert (found[0], found[2]) == (1, 2)
    assert "WRONGTYPE" in str(found[1])
    (answer,) = await bus.do_all([("LPUSH", "text", "y")])
    assert isinstance(answer, ResponseError)


async def test_a_silent_server_fails_everything_that_is_open_and_the_next_command_works(
    own_server: RedisServer, own_bus: Bus
) -> None:
    await own_bus.do("INCR", "n")
    own_server.freeze()
    try:
        found = await asyncio.gather(*(own_bus.do("INCR", "n") for _ in range(3)), return_exceptions=True)
    finally:
        own_server.thaw()
    assert all(isinstance(each, BusUnavailable) for each in found)
    assert int(await own_bus.do("INCR", "n")) in {2, 5}  # what was under way ran or did not, but never twice


@pytest.mark.parametrize("turns", [1, 4], ids=["before it is sent", "before the answer is read"])
@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_process_that_stands_still_does_not_take_that_for_the_servers_silence(
    own_server: RedisServer, make_loop: Callable[[], asyncio.AbstractEventLoop], turns: int
) -> None:
    """Thousands of orders in one turn of the loop: every user's turn would end, and begin again with as much work."""

    async def work() -> int:
        async with open_bus(own_server.url, "test") as bus:
            await bus.do("INCR", "n")
            link = cast("Any", bus._writer)._link
            link._timeout = 0.2
            link._timer.cancel()  # that of the first command
            link._timer = None
            asked = asyncio.ensure_future(bus.do("INCR", "n"))
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(0.5)  # noqa: ASYNC251  # that is the case
            return int(await asked)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(work()) == 2


async def test_a_connection_that_is_lost_before_it_is_used_fails_at_once(bus: Bus) -> None:
    await bus.do("PING")
    assert isinstance(bus._writer, Wire)
    link = bus._writer._link
    assert link is not None
    link.end(RedisConnectionError("gone"))
    with pytest.raises(RedisConnectionError):
        link.ask([("PING",)])
    assert await bus.do("PING") == "PONG"


@pytest.mark.parametrize("failing", [True, False], ids=["in the greeting", "after it"])
async def test_a_connection_that_is_lost_while_it_is_made_is_an_outage(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, failing: bool
) -> None:
    """Found by `make chaos SEED=72`: uvloop tells it by a RuntimeError, of which an engine died."""
    connect = Connection.connect

    async def lost(connection: Connection) -> None:
        if failing:
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
        await connect(connection)  # type: ignore[no-untyped-call]
        connection._writer.transport.abort()  # type: ignore[union-attr]
        await asyncio.sleep(0.01)  # until that has been told, to redis-py

    assert isinstance(bus._writer, Wire)
    bus._writer.drop()
    monkeypatch.setattr(Connection, "connect", lost)
    monkeypatch.setattr(bus._writer, "_timeout", 3_600.0)
    async with asyncio.timeout(30):  # at once, not when the time for an answer is over
        with pytest.raises(BusUnavailable):
            await bus.do("PING")
    monkeypatch.undo()
    assert await bus.do("PING") == "PONG"


async def test_a_byte_that_is_no_text_is_somebodys_bad_entry_and_nobody_elses_outage(bus: Bus) -> None:
    await bus.do("XADD", "s", "*", "symbol", b"\xff\xfe")
    found, number = await asyncio.gather(bus.do("XRANGE", "s", "-", "+"), bus.do("INCR", "n"))
    assert found[0][1] == ["symbol", "\ufffd\ufffd"]
    assert number == 1
