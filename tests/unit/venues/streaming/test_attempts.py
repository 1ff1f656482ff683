"""A stream is kept open: a permit before each attempt, a pause after each failure, and a fault for people if it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.domain.fault import FaultKind, Faults
from shared.venues.errors import Unavailable
from shared.venues.stream import StreamRefused
from shared.venues.streaming.attempts import Attempts
from shared.venues.streaming.connection import StreamEnded
from shared.venues.streaming.delivery import Delivery
from shared.venues.streaming.reconnects import MANY, Reconnects
from tests.unit.venues.stream_reader import KeepingReader

SUBJECT = "kraken 0123456789abcdef"


@dataclass
class Bench:
    """Attempts whose time is made up; each attempt does the next thing on the list, and the last one ends the run."""

    script: list[Exception | None]
    faults: Faults = field(default_factory=Faults)
    reader: KeepingReader = field(default_factory=KeepingReader)
    log: list[str] = field(default_factory=list)
    standing_while_seen: int = -1

    async def run(self) -> None:
        attempts = Attempts(
            SUBJECT,
            self.faults,
            reconnects=Reconnects(monotonic=lambda: 0.0, uniform=lambda: 0.0),
            sleep=self._sleep,
        )
        with pytest.raises(StreamRefused):
            await attempts.run(self._attempt, self.reader, self._permit)

    async def _permit(self) -> None:
        self.log.append("permit")

    async def _sleep(self, seconds: float) -> None:
        self.log.append(f"pause {seconds:g}")
        await asyncio.sleep(0)

    async def _attempt(self, delivery: Delivery, seen: Callable[[str], None]) -> None:
        del delivery
        if not self.script:
            raise StreamRefused("no")
        failure = self.script.pop(0)
        self.log.append("attempt")
        if failure is None or isinstance(failure, StreamEnded):
            seen("connected")
            self.standing_while_seen = len(self.faults.standing)
            await self.reader.until(lambda reader: bool(reader.heard))
        if failure is not None:
            raise failure


async def test_each_attempt_takes_a_permit_and_each_failure_a_pause() -> None:
    bench = Bench([Unavailable("no answer"), Unavailable("no answer"), Unavailable("no answer")])
    await bench.run()
    assert bench.log == ["permit", "attempt", "pause 1"] * 2 + ["permit", "attempt", "pause 5", "permit"]
    assert bench.reader.heard == []


async def test_an_end_after_the_stream_was_seen_is_told() -> None:
    bench = Bench([StreamEnded("cut", 1006)])
    await bench.run()
    assert bench.reader.heard == [("comparing", "connected"), ("resumed", "connected"), ("interrupted", "cut")]


async def test_an_attempt_that_simply_returns_counts_as_ended() -> None:
    bench = Bench([None])
    await bench.run()
    assert bench.reader.kinds == ["resumed", "interrupted"]
    assert bench.log == ["permit", "attempt", "pause 1", "permit"]


async def test_an_unwelcome_stream_is_a_fault_for_people_at_once() -> None:
    bench = Bench([StreamEnded("closed with 1008", 1008)])
    await bench.run()
    (fault,) = bench.faults.standing
    assert (fault.kind, fault.subject) == (FaultKind.VENUE_STREAM, SUBJECT)
    assert "pause 900" in bench.log


@pytest.mark.parametrize(("failures", "standing"), [(MANY - 1, 0), (MANY, 1)])
async def test_many_failures_in_a_row_are_one(failures: int, standing: int) -> None:
    bench = Bench([Unavailable("no answer")] * failures)
    await bench.run()
    assert len(bench.faults.standing) == standing


async def test_a_stream_that_is_seen_again_clears_it() -> None:
    bench = Bench([*[Unavailable("no answer")] * MANY, None])
    await bench.run()
    assert bench.standing_while_seen == 0


async def test_what_the_reader_raises_ends_the_run_and_the_attempt() -> None:
    reader, ended = KeepingReader(error=RuntimeError("lease lost")), asyncio.Event()

    async def attempt(delivery: Delivery, seen: Callable[[str], None]) -> None:
        del delivery
        seen("connected")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def permit() -> None:
        pass

    with pytest.raises(RuntimeError, match="lease lost"):
        await Attempts(SUBJECT, Faults()).run(attempt, reader, permit)
    assert ended.is_set()


async def test_what_the_permit_raises_ends_the_run() -> None:
    async def permit() -> None:
        raise RuntimeError("no Redis")

    async def attempt(delivery: Delivery, seen: Callable[[str], None]) -> None:
        raise AssertionError

    with pytest.raises(RuntimeError, match="no Redis"):
        await Attempts(SUBJECT, Faults()).run(attempt, KeepingReader(), permit)
