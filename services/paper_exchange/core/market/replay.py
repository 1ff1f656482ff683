"""Recorded candles played back: CSV files in Kraken's download format, `time,open,high,low,close,volume,trades`.

Within a candle the price goes from the open over one extreme and the other to the close, visiting each exactly, so that the
replayed candles equal the file's. When the file ends its last price holds.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError

Point = tuple[int, float]  # (second, price)
MINUTE: Final = 60
HISTORY: Final = 720  # candles of the file that lie before the start, at most half of it


@dataclass(frozen=True, slots=True)
class Row:
    """One candle of the file; start in seconds."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    def knots(self, length: int) -> tuple[tuple[int, float], ...]:
        """Return the points of the price path in a candle of `length` seconds, as (second, price)."""
        first, second = (self.low, self.high) if self.close >= self.open else (self.high, self.low)
        third = length // 3
        return (
            (self.start, self.open),
            (self.start + third, first),
            (self.start + 2 * third, second),
            (self.start + length - 1, self.close),
        )


def read_csv(path: Path) -> list[Row]:
    """Read a file in Kraken's download format. Raises ConfigurationError naming file and line."""
    rows: list[Row] = []
    try:
        with path.open(newline="") as file:
            for number, fields in enumerate(csv.reader(file), 1):
                if fields and not (number == 1 and not fields[0].strip().isdigit()):  # the heading, if there is one
                    rows.append(_row(path, number, fields))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    if len(rows) < 2:
        raise ConfigurationError(f"{path}: needs at least two candles")
    if any(later.start <= earlier.start for earlier, later in pairwise(rows)):
        raise ConfigurationError(f"{path}: the candles are not in time order")
    return rows


def _row(path: Path, number: int, fields: list[str]) -> Row:
    try:
        start = int(fields[0])
        opened, high, low, close = (float(text) for text in fields[1:5])
        volume = float(fields[5]) if len(fields) > 5 else 0.0
    except ValueError:
        raise ConfigurationError(f"{path}:{number}: not `time,open,high,low,close,volume,trades`") from None
    if not 0 < low <= min(opened, close) <= max(opened, close) <= high:
        raise ConfigurationError(f"{path}:{number}: low, open, close and high contradict one another")
    return Row(start, opened, high, low, close, volume)


class Replay:
    """The rows of one file as a price source whose market begins at `origin` (market seconds)."""

    def __init__(self, rows: list[Row], origin: int) -> None:
        self.length = min(later.start - earlier.start for earlier, later in pairwise(rows))
        split = min(HISTORY, len(rows) // 2)
        self._shift = origin - origin % self.length - rows[split].start
        self._history = rows[:split]
        self._future = iter(rows[split:])
        self._knots: deque[Point] = deque()
        self._passed: Point = (origin, rows[split].open)
        self._scale = 1.0
        self.price = rows[split].open

    def rebase(self, price: float) -> None:
        """Continue from this price: all later prices are scaled."""
        self._scale *= price / self.price
        self.price = price

    def walk(self, start: int, end: int, step: int) -> Iterator[Point]:
        """Iterate over every price point of the file and, between two of them, one price every `step` seconds."""
        for second in range(start + step, end + 1, step):
            while self._fill() and self._knots[0][0] <= second:
                self._passed = self._knots.popleft()
                self.price = self._passed[1] * self._scale
                yield max(self._passed[0], start), self.price
            if self._knots and self._passed[0] < second:
                self.price = between(self._passed, self._knots[0], second) * self._scale
                yield second, self.price

    def past(self) -> Iterator[Point]:
        """Iterate over the prices of the candles before the start, at least one per minute."""
        for row in self._history:
            knots = [(second + self._shift, price) for second, price in row.knots(self.length)]
            for here, there in pairwise(knots):
                yield here
                for second in range(here[0] - here[0] % MINUTE + MINUTE, there[0], MINUTE):
                    yield second, between(here, there, second)
            yield knots[-1]

    def _fill(self) -> bool:
        if not self._knots:
            row = next(self._future, None)
            if row is not None:
                self._knots.extend((second + self._shift, price) for second, price in row.knots(self.length))
        return bool(self._knots)


def between(here: Point, there: Point, second: int) -> float:
    """Return the price on the straight line between two points."""
    share = (second - here[0]) / (there[0] - here[0])
    return here[1] + (there[1] - here[1]) * share
