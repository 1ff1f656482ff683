"""What a reader hears comes in the order of arrival, and waits while it compares."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.venues.stream import FundsKind, FundsMoved
from shared.venues.streaming.delivery import Delivery, Unclear
from tests.unit.venues.stream_reader import KeepingReader

DEPOSIT = FundsMoved("USD", FundsKind.DEPOSIT, 1)


@pytest.fixture
def reader() -> KeepingReader:
    return KeepingReader()


@pytest.fixture
async def delivery(reader: KeepingReader) -> AsyncIterator[Delivery]:
    made = Delivery(reader)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_event_is_heard_at_once_while_nothing_waits(delivery: Delivery, reader: KeepingReader) -> None:
    delivery.tell(DEPOSIT)
    assert reader.heard == [("funds", DEPOSIT)]


async def test_what_comes_during_a_comparison_is_heard_after_it(delivery: Delivery, reader: KeepingReader) -> None:
    reader.gate = asyncio.Event()
    delivery.resume("connected")
    await reader.until_heard("comparing")
    delivery.tell(Unclear("one", ""))
    delivery.tell(Unclear("two", ""))
    assert reader.kinds == []
    reader.gate.set()
    await reader.until_heard("unclear", 2)
    assert reader.heard == [
        ("comparing", "connected"),
        ("resumed", "connected"),
        ("unclear", "one"),
        ("unclear", "two"),
    ]


async def test_comparisons_that_have_not_begun_become_one_that_covers_everything_before(
    delivery: Delivery, reader: KeepingReader
) -> None:
    reader.gate = asyncio.Event()
    delivery.resume("connected")
    await reader.until_heard("comparing")
    delivery.resume("a gap")
    delivery.tell(Unclear("one", ""))
    delivery.resume("another gap")
    reader.gate.set()
    await reader.until_heard("resumed", 2)
    assert reader.kinds == ["resumed", "unclear", "resumed"]
    assert reader.all("resumed") == ["connected", "another gap"]


async def test_an_interruption_is_told_once_and_only_after_a_comparison(
    delivery: Delivery, reader: KeepingReader
) -> None:
    delivery.interrupt("not yet connected")
    delivery.resume("connected")
    delivery.interrupt("cut")
    delivery.interrupt("cut")
    await reader.until_heard("interrupted")
    delivery.resume("connected")
    await reader.until_heard("resumed", 2)
    assert reader.kinds == ["resumed", "interrupted", "resumed"]


async def test_too_much_to_wait_for_is_dropped_and_compared_instead(
    delivery: Delivery, reader: KeepingReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.venues.streaming.delivery.MOST_WAITING", 3)
    reader.gate = asyncio.Event()
    delivery.resume("connected")
    await reader.until_heard("comparing")
    for number in range(4):
        delivery.tell(Unclear(str(number), ""))
    reader.gate.set()
    await reader.until_heard("unclear")
    assert reader.kinds == ["resumed", "resumed", "unclear"]
    assert reader.all("unclear") == ["3"]


async def test_what_a_comparison_raises_ends_the_delivery(reader: KeepingReader) -> None:
    reader.error = RuntimeError("lost")
    delivery = Delivery(reader)
    delivery.resume("connected")
    with pytest.raises(RuntimeError, match="lost"):
        await delivery.run()
