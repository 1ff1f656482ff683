"""How long the present candle has been going on, in market time: no entry is decided in a candle's first seconds. Pure.

In live mode market time is the venue's clock, and candles begin at whole multiples of their length. A paper market may run faster
than any clock: there the time counts from when a new candle was first seen, at the pace at which candles have come. Both err on
the early side, so that an entry is never decided sooner than the rule says.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Final

_MINUTE: Final = 60_000


class CandleClock:
    """The candles of one length at one venue. Instants are epoch ms of the venue's clock."""

    def __init__(self, minutes: int, *, market_time_is_wall_time: bool) -> None:
        self._length = minutes * _MINUTE
        self._absolute = market_time_is_wall_time
        self._newest: int | None = None
        self._seen_at = 0
        self._pace = Fraction(1)
        """Market time that passes in a unit of the venue's; at least 1."""

    def saw(self, opened_at: int, now: int) -> None:
        """Note the newest committed candle, by when it began in market time, of those that were read at an instant."""
        if self._newest is not None and opened_at <= self._newest:
            return
        if self._newest is not None and now > self._seen_at:
            self._pace = max(Fraction(opened_at - self._newest, now - self._seen_at), Fraction(1))
        self._newest, self._seen_at = opened_at, now

    def until_settled(self, seconds: int, now: int, earliest: int) -> int:
        """Return for how many more ms of the venue's clock the present candle is in its first `seconds`; 0 if it is not.

        `now` is the best estimate of the venue's clock, `earliest` the earliest that it can show.
        """
        if not seconds:
            return 0
        if self._absolute:
            begun = now - now % self._length
            return max(begun + seconds * 1000 - earliest, 0)
        return max(ceil(seconds * 1000 / self._pace) - (now - self._seen_at), 0)
