"""What is one cause and not many, and what a process that lives does not do."""

from __future__ import annotations

import pytest

from services.notifier.causes.reader import CauseReader
from services.notifier.causes.redis_memory import MemoryReader
from services.notifier.causes.waiting_signals import WaitingSignals
from shared.bus.connection import Bus
from shared.bus.flow.streams import Group
from shared.bus.state.memory import MemoryUse, read_memory
from shared.config.notifications import Event, NotifySettings
from shared.contracts import keys
from shared.domain.fault import Fault, FaultKind
from tests.integration.notifier.conftest import USERS, now_ms
from tests.integration.notifier.test_causes import heartbeat
from tests.support.copies import Copies


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = now_ms()

    def __call__(self) -> int:
        return self.now


async def _down(reader: CauseReader) -> list[str]:
    found = await reader.read()
    return sorted(each.who for each in found.causes if each.event is Event.SERVICE_DOWN)


async def test_while_no_executor_runs_at_all_no_user_is_missed_and_afterwards_each_has_time(bus: Bus) -> None:
    clock = Clock()
    for service in ("master-strategy", "copy-engine"):
        await heartbeat(bus, service)
    reader = CauseReader(bus, NotifySettings(urls=("json://127.0.0.1",)), lambda: USERS, clock, start_ms=0)
    for _ in range(3):
        assert await _down(reader) == ["all executors"]
        clock.now += 40_000
    await heartbeat(bus, "executor")
    clock.now += 11_000  # until the keyspace is looked through again
    assert await _down(reader) == []
    clock.now += 20_000
    assert await _down(reader) == [], "an executor claims users within 20 s"
    clock.now += 20_000
    assert await _down(reader) == ["alice", "bob"]


async def test_signals_that_wait_and_an_engine_that_does_not_move(bus: Bus) -> None:
    group, waiting, copies, now = Group(bus, keys.ENGINE), WaitingSignals(bus), Copies(bus), now_ms()
    await group.ensure([keys.SIGNALS])
    assert await waiting.read(now) == []
    await copies.signal()
    assert await waiting.read(now) == []
    assert await waiting.read(now + 59_000) == []
    (cause,) = await waiting.read(now + 61_000)
    assert (cause.event, cause.since) == (Event.BLOCKED, now)
    assert cause.what == "1 signal waits, and nothing is decided"
    (entry,) = await group.read_new([keys.SIGNALS], 1)
    assert await waiting.read(now + 62_000) == [], "it has moved on"
    assert await waiting.read(now + 121_000) == []
    assert len(await waiting.read(now + 123_000)) == 1, "what was read and never decided waits too"
    await group.ack(keys.SIGNALS, entry.id)
    assert await waiting.read(now + 124_000) == []


async def test_a_process_that_has_just_lost_redis_is_no_message_and_one_that_redis_refuses_is(bus: Bus) -> None:
    """Right after an outage the heartbeats still name it."""
    clock = Clock()
    reader = CauseReader(bus, NotifySettings(urls=("json://127.0.0.1",)), dict, clock, start_ms=600_000)
    lost = Fault(FaultKind.REDIS, "copy-engine", "Connection refused", clock.now - 50_000, blocks=True)
    books = Fault(FaultKind.REDIS, "alice: books", "no record of 0.5 BTC", clock.now)
    await heartbeat(bus, "copy-engine", lost)
    await heartbeat(bus, "executor", books)

    async def events() -> list[Event]:
        return [each.event for each in (await reader.read()).causes]

    assert await events() == [Event.BOOKS_LOST], "lost records are no outage"
    clock.now += 20_000
    await heartbeat(bus, "copy-engine")
    assert await events() == [Event.BOOKS_LOST]
    await heartbeat(bus, "copy-engine", lost)
    clock.now += 20_000
    assert await events() == [Event.BOOKS_LOST], "it was gone in between"
    clock.now += 31_000
    assert sorted(await events()) == [Event.BLOCKED, Event.BOOKS_LOST]


async def test_a_redis_that_is_nearly_full(bus: Bus) -> None:
    use = await read_memory(bus)
    assert use is not None
    assert (use.limit, use.percent, use.nearly_full) == (0, 0, False), "the server of tests has no limit"
    reader, now = MemoryReader(bus), now_ms()
    assert await reader.read(now) == []
    try:
        await bus.do("CONFIG", "SET", "maxmemory", use.used * 100 // 90)
        assert await reader.read(now + 1_000) == [], "it asks every few seconds"
        (cause,) = await reader.read(now + 4_000)
    finally:
        await bus.do("CONFIG", "SET", "maxmemory", 0)
    assert cause.event is Event.REDIS
    assert "when it is full it refuses writes" in cause.what
    assert await reader.read(now + 8_000) == []


@pytest.mark.parametrize(("percent", "full"), [(84, False), (85, True), (100, True)])
def test_from_where_on_it_counts_as_nearly_full(percent: int, full: bool) -> None:
    assert MemoryUse(percent, 100).nearly_full is full
