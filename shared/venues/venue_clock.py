"""A venue's time, measured from its own answers and carried on by a clock of this process that does not step.

    venue time = steady clock + K

Each answer bounds K: the instant that it names lies between the moment its request left and the moment it came. Bounds are
intersected, and widened with their age, since either clock may be slewed. So a delayed answer, which bounds little, changes
nothing, and after the first answer nothing here depends on the host's wall clock, however that steps.

An answer can name a past instant (a header that is renewed once a second, a proxy's copy), but never a future one. Hence:

    later than the bounds      the venue's clock was set, or this host slept: accepted at once
    earlier than the bounds    accepted once several answers in a row agree for a while

A contradiction counts as a doubt for a while, and `earliest` then uses the earlier of the two: a proof that an order can no
longer be accepted must not rest on a clock that has just jumped.

It must never use a guess as a measurement: before the first answer `measured` is False and `earliest` proves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil, floor, inf
from typing import Final, Protocol

from shared.domain.values.clock_offset import ClockOffset

DATE_RESOLUTION_MS: Final = 2_000
"""A `Date` header names whole seconds, and some servers renew it once a second only (RFC 9110, 6.6.1: an approximation)."""
SECONDS_RESOLUTION_MS: Final = 1_000
"""The resolution of an instant in whole seconds that was read from the clock for this answer."""
_LIKELY_MS: Final = 1_000
"""The best estimate is within this distance of the lower bound: few servers send an old header."""
_DRIFT: Final = 0.001
"""How fast two clocks may move apart: each may be slewed by 500 ppm (adjtime(2), NTP)."""
_DRIFT_MS: Final = _DRIFT * 1000
"""The same in ms a second."""
_DOUBT_SECONDS: Final = 90.0
"""How long a contradiction counts: longer than the time between two measurements."""
_DOUBT_REACH_MS: Final = 60_000
"""A larger doubt is ignored: a venue whose clock were that far behind would refuse every order, since Kraken accepts no deadline
more than a minute ahead (docs.kraken.com, Add Order)."""
_BACKWARD_ANSWERS: Final = 3
_BACKWARD_SECONDS: Final = 10.0
"""This many answers in a row, over this time, prove that the venue's clock was set back."""


class VenueTime(Protocol):
    """A venue's time in epoch ms, by which an account trades."""

    @property
    def measured(self) -> bool:
        """Return whether an answer of the venue has been measured."""
        ...

    def __call__(self) -> int:
        """Return the best estimate; this host's wall clock before it was measured."""
        ...

    def earliest(self) -> int:
        """Return the earliest time that the venue's clock can show: the only proof that an instant has passed at the venue."""
        ...

    def heard(self, date: str, age: str, sent: float, received: float) -> None:
        """Learn from an answer's `Date` and `Age` headers, with the steady instants (seconds) around the exchange."""
        ...

    def note(self, at: int, resolution_ms: int, sent: float, received: float) -> None:
        """Learn from an instant of the venue that lies between the two steady instants; see `VenueClock`."""
        ...


class ExactTime:
    """The time of a venue that runs in this process: known without a measurement. For fakes and tests."""

    measured = True

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    def __call__(self) -> int:
        """Return the instant."""
        return self._clock()

    def earliest(self) -> int:
        """Return the instant: there is no uncertainty."""
        return self._clock()

    def heard(self, date: str, age: str, sent: float, received: float) -> None:
        """Learn nothing."""

    def note(self, at: int, resolution_ms: int, sent: float, received: float) -> None:
        """Learn nothing."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The bounds of K in ms, as of a steady instant (seconds)."""

    low: float
    high: float
    at: float

    def aged(self, now: float) -> _Bounds:
        slack = max(now - self.at, 0.0) * 1000 * _DRIFT
        return _Bounds(self.low - slack, self.high + slack, now)

    def meets(self, other: _Bounds) -> bool:
        return self.low <= other.high and other.low <= self.high

    def narrowed(self, other: _Bounds) -> _Bounds:
        return _Bounds(max(self.low, other.low), min(self.high, other.high), other.at)


@dataclass(frozen=True, slots=True)
class _Run:
    """Answers in a row that were earlier than the bounds."""

    bounds: _Bounds
    began: float
    answers: int = 1


class VenueClock:
    """The clock of one venue for one process; all lanes and the public side of one URL share it."""

    def __init__(
        self,
        venue: str,
        *,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wall` returns epoch ms, `steady` seconds of a clock that does not step."""
        self.venue = venue
        self._wall = wall
        self._steady = steady
        self._bounds: _Bounds | None = None
        self._middle, self._middle_until = 0.0, -inf
        """The middle of the bounds, and the steady instant until which it is the best estimate: while they are close."""
        self._behind: _Run | None = None
        self._doubt = (0.0, 0.0)
        """The smallest doubted K, and the steady instant at which the doubt ends."""
        self._last_date: tuple[str, int | None] = ("", None)

    @property
    def measured(self) -> bool:
        """Return whether an answer of the venue has been measured."""
        return self._bounds is not None

    def __call__(self) -> int:
        """Return the best estimate of the venue's time; this host's wall clock before it was measured."""
        now = self._steady()
        if now < self._middle_until:  # each order asks twenty times
            return round(now * 1000 + self._middle)
        if (known := self._bounds) is None:
            return self._wall()
        known = known.aged(now)
        return round(now * 1000 + self._likely(known))

    def earliest(self) -> int:
        """Return the earliest time that the venue's clock can show, doubts included; 0 before it was measured."""
        if (known := self._bounds) is None:
            return 0
        now = self._steady()
        aged = now - known.at
        low = known.low - aged * _DRIFT_MS if aged > 0 else known.low
        doubt, until = self._doubt
        return floor(now * 1000 + (min(low, doubt) if now < until else low))

    def latest(self) -> int:
        """Return the latest time that the venue's clock can show; this host's wall clock before it was measured."""
        if (known := self._now_bounds()) is None:
            return self._wall()
        return ceil(known.at * 1000 + known.high)

    def to_steady(self) -> tuple[float, float] | None:
        """Return the venue's time minus the steady clock, and the uncertainty of that; in ms. None if unmeasured."""
        if (known := self._now_bounds()) is None:
            return None
        likely = self._likely(known)
        return likely, max(known.high - likely, likely - known.low)

    def until_next_second(self) -> float:
        """Return the seconds until the venue's clock shows a full second, by the middle of the bounds; 0 if unmeasured.

        An answer in whole seconds is most informative at that moment: it excludes one half of the bounds.
        """
        if (known := self._now_bounds()) is None:
            return 0.0
        return 1.0 - (known.at * 1000 + (known.low + known.high) / 2) % 1000 / 1000

    def offset(self) -> ClockOffset | None:
        """Return how far this host's wall clock is from the venue's; None before it was measured."""
        if (anchor := self.to_steady()) is None:
            return None
        return ClockOffset(self.venue, round(self._wall() - self._steady() * 1000 - anchor[0]), ceil(anchor[1]))

    def heard(self, date: str, age: str, sent: float, received: float) -> None:
        """Learn from an answer's `Date` header. An answer from a cache (`Age`) is ignored, and so is one without a date."""
        if date != self._last_date[0]:
            self._last_date = (date, _read_date(date))
        at = self._last_date[1]
        if at is not None and age.strip() in {"", "0"}:
            self.note(at, DATE_RESOLUTION_MS, sent, received)

    def note(self, at: int, resolution_ms: int, sent: float, received: float) -> None:
        """Learn from an instant of the venue.

        Its clock showed `at` (epoch ms) or up to `resolution_ms` more at some moment between `sent` and `received`, which are
        seconds of the steady clock.
        """
        slack = (received - sent) * 1000 * _DRIFT
        low, high = at - received * 1000 - slack, at + resolution_ms - sent * 1000 + slack
        if (bounds := self._bounds) is not None and self._behind is None:
            aged = max(received - bounds.at, 0.0) * _DRIFT_MS
            if low <= bounds.low - aged and bounds.high + aged <= high:
                return  # as most answers: it says no more than is known
        sample = _Bounds(low, high, received)
        known = None if bounds is None else bounds.aged(received)
        if known is None:
            self._bounds = sample
        elif sample.low > known.high:
            self._bounds, self._behind = sample, None
            self._doubt_from(known.low, sample.low, received)
        elif sample.high < known.low:
            self._bounds = self._set_back(known, sample)
        else:
            self._bounds = known.narrowed(sample)
            if self._behind is not None and not self._behind.bounds.aged(received).meets(sample):
                self._behind = None
        low, high = self._bounds.low, self._bounds.high
        self._middle = (low + high) / 2
        self._middle_until = self._bounds.at + (_LIKELY_MS - (high - low)) / (2 * _DRIFT_MS) if low < high else -inf

    def _set_back(self, known: _Bounds, sample: _Bounds) -> _Bounds:
        """Return the bounds to use after an answer that is earlier than the known ones."""
        self._doubt_from(sample.low, known.low, sample.at)
        run, self._behind = self._behind, _Run(sample, sample.at)
        if run is not None and (before := run.bounds.aged(sample.at)).meets(sample):
            self._behind = _Run(before.narrowed(sample), run.began, run.answers + 1)
        long_enough = sample.at - self._behind.began >= _BACKWARD_SECONDS
        if self._behind.answers < _BACKWARD_ANSWERS or not long_enough:
            return known
        believed, self._behind = self._behind.bounds, None
        return believed

    def _doubt_from(self, low: float, believed: float, now: float) -> None:
        """Keep a bound that contradicts the known ones, for as long as doubts last."""
        low = max(low, believed - _DOUBT_REACH_MS)
        standing, until = self._doubt
        self._doubt = (min(low, standing) if now < until else low, now + _DOUBT_SECONDS)

    def _now_bounds(self) -> _Bounds | None:
        return None if self._bounds is None else self._bounds.aged(self._steady())

    @staticmethod
    def _likely(known: _Bounds) -> float:
        return known.low + min(known.high - known.low, _LIKELY_MS) / 2


def _read_date(date: str) -> int | None:
    """Parse an HTTP date to epoch ms; None if it is not one."""
    try:
        read = parsedate_to_datetime(date)
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()) * 1000
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def venue_time(clock: Callable[[], int]) -> VenueTime:
    """Return a venue's clock as it is; any other clock is assumed to be exact."""
    return clock if isinstance(clock, VenueClock | ExactTime) else ExactTime(clock)
