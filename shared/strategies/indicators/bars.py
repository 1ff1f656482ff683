"""Candles as floats, with what indicators derive from one candle or from two neighbours.

Every number here depends on one candle or on one pair of neighbours, so that a window that moves on by a candle is computed from
the one before (`following`), with the same bits as from the candles themselves. Without this a backtest of a year would convert
each candle a hundred times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from shared.venues.port import Candle

_THIRDS: Final = 3


class _Bar(NamedTuple):
    """What one candle gives."""

    close: float
    volume: float
    turnover: float


class _Step(NamedTuple):
    """What two neighbours give."""

    gain: float
    loss: float
    true_range: float
    rise: float
    fall: float


class Bars(NamedTuple):
    """Oldest first. Those of pairs have one entry fewer than there are candles. Prices in quote per base, volumes in base."""

    closes: tuple[float, ...]
    volumes: tuple[float, ...]
    turnovers: tuple[float, ...]
    """Typical price (high + low + close) / 3, times the volume."""
    gains: tuple[float, ...]
    """How much a close is above the one before; 0 if it is not."""
    losses: tuple[float, ...]
    """How much a close is below the one before; 0 if it is not."""
    true_ranges: tuple[float, ...]
    """High minus low, both extended to the close before."""
    rises: tuple[float, ...]
    """Wilder's +DM: how far the high moved up, if that is more than the low moved down."""
    falls: tuple[float, ...]
    """Wilder's -DM."""

    @classmethod
    def of(cls, candles: Sequence[Candle]) -> Bars:
        """Return the bars of candles, oldest first. Raises ValueError if there are fewer than two."""
        if len(candles) < 2:
            raise ValueError(f"{len(candles)} candles have no step between two")
        return cls(
            *zip(*map(_bar, candles), strict=True),
            *zip(*(_step(before, after) for before, after in pairwise(candles)), strict=True),
        )

    def following(self, newest: Candle, candle: Candle) -> Bars:
        """Return the bars without the oldest candle and with the one after `newest`, which is the newest of these."""
        close, volume, turnover = _bar(candle)
        gain, loss, true_range, rise, fall = _step(newest, candle)
        return Bars(
            (*self.closes[1:], close),
            (*self.volumes[1:], volume),
            (*self.turnovers[1:], turnover),
            (*self.gains[1:], gain),
            (*self.losses[1:], loss),
            (*self.true_ranges[1:], true_range),
            (*self.rises[1:], rise),
            (*self.falls[1:], fall),
        )


def _bar(candle: Candle) -> _Bar:
    volume = float(candle.volume)
    typical = float((candle.high + candle.low + candle.close) / _THIRDS)
    return _Bar(float(candle.close), volume, typical * volume)


def _step(before: Candle, after: Candle) -> _Step:
    closed, close = float(before.close), float(after.close)
    high, low = float(after.high), float(after.low)
    up, down = high - float(before.high), float(before.low) - low
    return _Step(
        close - closed if close > closed else 0.0,
        closed - close if closed > close else 0.0,
        (high if high > closed else closed) - (low if low < closed else closed),
        up if up > down and up > 0 else 0.0,
        down if down > up and down > 0 else 0.0,
    )
