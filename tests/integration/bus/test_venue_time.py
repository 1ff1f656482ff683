"""A process that speaks to no venue knows a venue's time through Redis, on a steady clock of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from shared.bus.state.venue_time import VenueTimes, VenueTimeWriter
from shared.contracts import keys

NOW = 1_790_000_000_000


async def test_the_venues_time_is_read_through_a_real_redis(bus: Bus) -> None:
    """Case A1: this host's clock is 7 s behind, and ages are judged by the venue's all the same."""
    true_to_steady = time.time() * 1000 - time.monotonic() * 1000
    times = VenueTimes(bus, ["kraken", "coinbase"], lambda: int(time.time() * 1000) - 7_000)
    await times.refresh()
    assert times.offset() is None
    began, found, ended = time.time() * 1000, times(), time.time() * 1000
    assert began - 1 <= found + 7_000 <= ended + 1, "nothing is published: this host's clock will have to do"
    await VenueTimeWriter(bus).write("kraken", (true_to_steady, 40.0))
    await times.refresh()
    offset = times.offset()
    assert offset is not None
    assert (offset.venue, offset.uncertainty_ms >= 40) == ("kraken", True)
    assert abs(offset.ms + 7_000) <= offset.uncertainty_ms + 50
    began, found, ended = time.time() * 1000, times(), time.time() * 1000
    assert began - offset.uncertainty_ms - 50 <= found <= ended + offset.uncertainty_ms + 50
    assert set(await bus.do("HKEYS", keys.clock("kraken"))) == {"difference", "uncertainty", "at"}


@dataclass
class _Redis:
    """Redis's clock and one hash, and the time of everything else. `ahead` is Redis's clock minus the truth."""

    true: float = float(NOW)
    ahead: float = 0.0
    hash: dict[str, str] = field(default_factory=dict)
    writes: int = 0
    gone: bool = False

    @property
    def steady(self) -> float:
        return (self.true - NOW) / 1000 + 50.0

    def passes(self, seconds: float) -> None:
        self.true += seconds * 1000

    async def do(self, *command: Any) -> Any:
        if command[0] == "TIME":
            micros = round((self.true + self.ahead) * 1000)
            return [str(micros // 1_000_000), str(micros % 1_000_000)]
        self.writes += 1
        self.hash = {str(name): str(value) for name, value in zip(command[2::2], command[3::2], strict=True)}
        return 0

    async def do_all(self, commands: list[Any]) -> list[Any]:
        if self.gone:
            raise BusUnavailable("gone")
        return [await self.do("TIME"), [part for pair in self.hash.items() for part in pair]]

    async def measure(self, writer: VenueTimeWriter) -> None:
        """Publish the truth, as a process does that measures the venue."""
        await writer.write("kraken", (self.true - self.steady * 1000, 30.0))


@pytest.fixture
def redis() -> _Redis:
    return _Redis()


@pytest.fixture
def writer(redis: _Redis) -> VenueTimeWriter:
    return VenueTimeWriter(cast("Bus", redis), lambda: redis.steady)


@pytest.fixture
def times(redis: _Redis) -> VenueTimes:
    return VenueTimes(cast("Bus", redis), ["kraken"], lambda: 0, lambda: redis.steady)


@pytest.mark.parametrize("ahead", [-90_000.0, 8_000.0, 90_000.0, 86_400_000.0])
async def test_a_step_of_rediss_clock_moves_nothing(
    redis: _Redis, writer: VenueTimeWriter, times: VenueTimes, ahead: float
) -> None:
    """Redis runs on the host whose clock is set: neither the readers before nor those after the next writing are misled."""
    await redis.measure(writer)
    await times.refresh()
    redis.passes(5)
    redis.ahead = ahead
    for _ in range(3):
        await times.refresh()
        assert times() == pytest.approx(redis.true, abs=5)
        redis.passes(5)
    await redis.measure(writer)
    await times.refresh()
    assert times() == pytest.approx(redis.true, abs=5)
    fresh = VenueTimes(cast("Bus", redis), ["kraken"], lambda: 0, lambda: redis.steady)
    await fresh.refresh()
    assert fresh() == pytest.approx(redis.true, abs=5)


async def test_it_is_written_when_it_is_news_and_every_minute(redis: _Redis, writer: VenueTimeWriter) -> None:
    for _ in range(24):
        await redis.measure(writer)
        redis.passes(5)
    assert redis.writes == 2
    redis.ahead = 1_000
    await redis.measure(writer)
    assert redis.writes == 3


async def test_what_nobody_measures_any_more_is_not_taken_up(
    redis: _Redis, writer: VenueTimeWriter, times: VenueTimes
) -> None:
    await redis.measure(writer)
    redis.passes(600)
    await times.refresh()
    assert times.offset() is None


async def test_an_outage_leaves_what_is_known(redis: _Redis, writer: VenueTimeWriter, times: VenueTimes) -> None:
    await redis.measure(writer)
    await times.refresh()
    redis.gone = True
    redis.passes(3_600)
    await times.refresh()
    assert times() == pytest.approx(redis.true, abs=5)


@pytest.mark.parametrize("name", ["difference", "uncertainty", "at"])
async def test_half_a_record_is_none(redis: _Redis, writer: VenueTimeWriter, times: VenueTimes, name: str) -> None:
    await redis.measure(writer)
    redis.hash[name] = "soon"
    await times.refresh()
    assert times.offset() is None
