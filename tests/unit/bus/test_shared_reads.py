"""One question for all who ask in the same turn of the event loop; an answer never serves a question that came after it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.bus.client.shared_reads import SharedReads
from shared.bus.client.wire import Command
from shared.bus.errors import BusUnavailable

CONTROL, PRICE = ("shoal:control", "mode"), ("shoal:prices:kraken", "BTC/USD")


class Server:
    """Answers each question when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Command, asyncio.Future[list[Any]]]] = []

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.asked += [(command, answer) for command in commands]
        return await answer


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def reads(server: Server) -> SharedReads:
    return SharedReads(server.ask)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_ask_in_one_turn_are_answered_by_one_question(server: Server, reads: SharedReads) -> None:
    asking = [asyncio.create_task(reads.hget([CONTROL, PRICE])) for _ in range(50)]
    await settle()
    assert [command for command, _ in server.asked] == [("HGET", *CONTROL), ("HGET", *PRICE)]
    server.asked[0][1].set_result(["run"])
    server.asked[1][1].set_result(["60000 1"])
    assert await asyncio.gather(*asking) == [["run", "60000 1"]] * 50


async def test_an_answer_serves_no_question_that_came_after_it_was_sent(server: Server, reads: SharedReads) -> None:
    """The switch is set while the first answer is on its way: who asks then must see it."""
    before = asyncio.create_task(reads.hget([CONTROL]))
    await settle()
    after = asyncio.create_task(reads.hget([CONTROL]))
    await settle()
    assert len(server.asked) == 2
    server.asked[0][1].set_result(["run"])
    server.asked[1][1].set_result(["halt"])
    assert (await before, await after) == (["run"], ["halt"])


async def test_a_failure_is_raised_by_all_who_share_it_and_by_no_others(server: Server, reads: SharedReads) -> None:
    asking = [asyncio.create_task(reads.hget([question])) for question in (CONTROL, CONTROL, PRICE)]
    await settle()
    server.asked[0][1].set_exception(BusUnavailable("Redis: away"))
    server.asked[1][1].set_result(["60000 1"])
    first, second, third = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, BusUnavailable)
    assert isinstance(second, BusUnavailable)
    assert third == ["60000 1"]


async def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(server: Server, reads: SharedReads) -> None:
    gone, stays = (asyncio.create_task(reads.hget([CONTROL])) for _ in range(2))
    await settle()
    gone.cancel()
    await settle()
    server.asked[0][1].set_result(["run"])
    assert await stays == ["run"]
    assert gone.cancelled()


async def test_a_failure_of_any_kind_reaches_who_asked(server: Server, reads: SharedReads) -> None:
    """An order waits for this answer: without one it would wait for ever."""
    asking = asyncio.create_task(reads.hget([CONTROL]))
    await settle()
    server.asked[0][1].set_exception(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        async with asyncio.timeout(10):
            await asking
