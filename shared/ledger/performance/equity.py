"""The equity curve of an account: its samples of the last 90 days, fine for the last hour and coarser before.

An account whose amounts did not change has no new minute: a value holds until the next sample. A gap of more than an hour is a
time without a reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS, EquitySample, read_samples


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One sample; `start` is its minute, or the start of its interval (epoch ms)."""

    start: int
    sample: EquitySample


async def read_curve(bus: Bus, user: str, venue: str, since: int = 0) -> list[CurvePoint]:
    """Read the curve of an account from `since` (epoch ms) on, oldest first, in one round trip. Raises BusUnavailable.

    Each span has the finest samples that are kept of it.
    """
    (curve,) = await read_curves(bus, [(user, venue)], since)
    return curve


async def read_curves(bus: Bus, places: Sequence[tuple[str, str]], since: int = 0) -> list[list[CurvePoint]]:
    """Read the curves of several (user, venue) in one round trip. Raises BusUnavailable."""
    steps = list(EQUITY_STEPS)
    answers = await bus.do_all([("GET", keys.equity(user, venue, step)) for user, venue in places for step in steps])
    found = []
    for number in range(len(places)):
        rings = answers[number * len(steps) : (number + 1) * len(steps)]
        found.append(_merged([_points(ring, step, since) for step, ring in zip(steps, rings, strict=True)]))
    return found


async def read_step(bus: Bus, user: str, venue: str, step: str, since: int = 0) -> list[CurvePoint]:
    """Read the samples of one resolution only, each by the start of its interval. Raises BusUnavailable."""
    (ring,) = await bus.do_all([("GET", keys.equity(user, venue, step))])
    length = EQUITY_STEPS[step]
    return [CurvePoint(length.start(each.start), each.sample) for each in _points(ring, step, since)]


def _points(ring: Any, step: str, since: int) -> list[CurvePoint]:
    samples = read_samples(ring, EQUITY_STEPS[step], since) if isinstance(ring, str) else []
    return [CurvePoint(start, sample) for start, sample in samples]


def _merged(by_step: Sequence[list[CurvePoint]]) -> list[CurvePoint]:
    """Join the resolutions, finest first: of each coarser one only what is older than the finer one begins."""
    curve: list[CurvePoint] = []
    for points in by_step:
        first = curve[0].start if curve else None
        curve = [each for each in points if first is None or each.start < first] + curve
    return curve
