"""A venue's time for processes that never call a venue: the difference between Redis's clock and the venue's.

A process that measures the venue's time publishes the difference; a reader measures its own difference to Redis's clock, and so
has the venue's time on its own steady clock. After that neither this host's wall clock nor Redis's matters, however they step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.domain.values.clock_offset import ClockOffset

_WRITE_EVERY: Final = 60.0
_MOVED_MS: Final = 100.0
"""A difference that has changed by this much is written at once: the measurement is better, or a clock was set."""
_SET_MS: Final = 250.0
"""Redis's clock was set if it has moved by this much against the steady clock."""
_READ_EVERY: Final = 15.0
_READ_FIRST: Final = 2.0
"""Seconds between readings until the first usable one."""
_OLDEST_MS: Final = 150_000
"""A record older than this is ignored: it is no longer measured, or Redis's clock was set since."""
_FUTURE_MS: Final = 2_000
_LONGEST_TRIP_MS: Final = 2_000.0

Steady = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _RedisTime:
    """Redis's clock: epoch ms, its difference to the steady clock, and the uncertainty of that."""

    at: float
    to_steady: float
    uncertainty: float


class VenueTimeWriter:
    """Publishes the time of venues, from a process that measures it. Raises BusUnavailable."""

    def __init__(self, bus: Bus, steady: Steady = time.monotonic) -> None:
        self._bus = bus
        self._steady = steady
        self._written: dict[str, tuple[float, float]] = {}
        """By venue: the difference as last written, and the instant (steady)."""

    async def write(self, venue: str, to_steady: tuple[float, float]) -> None:
        """Publish a venue's time, given as its difference to the steady clock and the uncertainty (ms), if it has changed."""
        began = self._steady()
        redis = _redis_time(await self._bus.do("TIME"), began, self._steady())
        difference = to_steady[0] - redis.to_steady
        before, at = self._written.get(venue, (0.0, -_WRITE_EVERY))
        if abs(difference - before) < _MOVED_MS and self._steady() - at < _WRITE_EVERY:
            return
        fields = {
            "difference": round(difference),
            "uncertainty": ceil(to_steady[1] + redis.uncertainty),
            "at": round(redis.at),
        }
        await self._bus.do("HSET", keys.clock(venue), *(part for pair in fields.items() for part in pair))
        self._written[venue] = (difference, self._steady())


@dataclass(frozen=True, slots=True)
class _VenueOffset:
    venue: str
    to_steady: float
    uncertainty: float
    redis_to_steady: float
    written_at: int


class VenueTimes:
    """The time of the venue with the least uncertainty, in epoch ms; this host's wall clock while none is known.

    One serves for all: only this host's clock may be wrong, and venues agree with one another.
    """

    def __init__(
        self, bus: Bus, venues: Sequence[str], wall: Callable[[], int], steady: Steady = time.monotonic
    ) -> None:
        self._bus = bus
        self._venues = venues
        self._wall = wall
        self._steady = steady
        self._known: _VenueOffset | None = None

    def __call__(self) -> int:
        """Return the venue's time."""
        return self._wall() if self._known is None else round(self._steady() * 1000 + self._known.to_steady)

    def offset(self) -> ClockOffset | None:
        """Return how far this host's wall clock is from the venue's; None while that is unknown."""
        known = self._known
        return None if known is None else ClockOffset(known.venue, self._wall() - self(), ceil(known.uncertainty))

    async def run(self, then: Callable[[], object] = lambda: None) -> None:
        """Read for ever, through outages of Redis; `then` is called after each reading."""
        while True:
            await self.refresh()
            then()
            await asyncio.sleep(_READ_FIRST if self._known is None else _READ_EVERY)

    async def refresh(self) -> None:
        """Read what is published; without an answer the last reading stays in use."""
        began = self._steady()
        try:
            answers = await self._bus.do_all([("TIME",), *(("HGETALL", keys.clock(venue)) for venue in self._venues)])
            redis = _redis_time(answers[0], began, self._steady())
        except (BusError, TypeError, ValueError):  # Redis does not answer, or refuses TIME
            return
        found = [
            each
            for venue, answer in zip(self._venues, answers[1:], strict=True)
            if (each := _read(venue, pairs(answer), redis)) is not None
        ]
        if found and self._is_usable(best := min(found, key=lambda each: each.uncertainty)):
            self._known = best

    def _is_usable(self, new: _VenueOffset) -> bool:
        """Return False if the difference was written before Redis's clock was set: it must not be combined with the new time."""
        known = self._known
        moved = known is not None and abs(known.redis_to_steady - new.redis_to_steady) > _SET_MS + new.uncertainty
        return known is None or not moved or known.written_at != new.written_at


def _redis_time(answer: Any, began: float, ended: float) -> _RedisTime:
    at = int(answer[0]) * 1000 + int(answer[1]) / 1000
    return _RedisTime(at, at - (began + ended) * 500, (ended - began) * 500)


def _read(venue: str, fields: Mapping[str, str], redis: _RedisTime) -> _VenueOffset | None:
    try:
        difference, uncertainty, at = (int(fields[name]) for name in ("difference", "uncertainty", "at"))
    except (KeyError, ValueError):
        return None
    if not -_FUTURE_MS < redis.at - at < _OLDEST_MS or redis.uncertainty > _LONGEST_TRIP_MS:
        return None
    return _VenueOffset(venue, difference + redis.to_steady, uncertainty + redis.uncertainty, redis.to_steady, at)
