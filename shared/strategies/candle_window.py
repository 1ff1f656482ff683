"""Whether the candles of a symbol are good enough to act on. Missing data is a reason to hold, never one to sell. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.venues.port import Candle

_MINUTE: Final = 60_000
_UNCHANGED_FOR: Final = 30_000
"""Ms of the wall clock beyond a candle's period without a new one; at the paper exchange candles come faster, never slower."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A symbol is not acted upon, and why."""

    reason: str


def window(candles: Sequence[Candle], needs: int, minutes: int, at_least: int | None = None) -> Sequence[Candle] | Hold:
    """Return the newest `needs` candles, or why they cannot be used: too few, a gap, a price of zero.

    With `at_least`, fewer than `needs` will do where there are no more without a gap: down to that number.
    """
    least = needs if at_least is None else min(at_least, needs)
    if not candles:
        return Hold("candles missing: the venue gave none")
    if len(candles) < least:
        return Hold(f"candles missing: {len(candles)} of {least}")
    newest = _without_gap(candles[-needs:], minutes * _MINUTE)
    if len(newest) < least:
        return Hold(f"candles missing: a gap among the last {least}")
    if any(candle.close <= 0 for candle in newest):
        return Hold("candles unusable: a price of zero")
    return newest


def _without_gap(candles: Sequence[Candle], step: int) -> Sequence[Candle]:
    """Return those after the last gap. `step` in ms."""
    for index in range(len(candles) - 1, 0, -1):
        if candles[index].opened_at - candles[index - 1].opened_at != step:
            return candles[index:]
    return candles


class Freshness:
    """Detects that a symbol's candles stop coming. In live mode market time is the wall clock, on paper it is not."""

    def __init__(self, minutes: int, *, market_time_is_wall_time: bool) -> None:
        self._period = minutes * _MINUTE
        self._absolute = market_time_is_wall_time
        self._newest = -1
        self._changed_at = 0

    def stale(self, newest: Candle, now: int) -> str:
        """Return why the newest candle is too old to act on; an empty text if it is not. `now` in epoch ms."""
        if newest.opened_at != self._newest:
            self._newest, self._changed_at = newest.opened_at, now
        due = newest.opened_at + 2 * self._period if self._absolute else self._changed_at + self._period
        late = now - due
        return f"candles stale: the next one is {late // 1000} s late" if late > _UNCHANGED_FOR else ""

    def next_due(self) -> int:
        """Return the wall instant (epoch ms) at which the next candle is committed, where market time is wall time."""
        return self._newest + 2 * self._period if self._newest >= 0 else 0
