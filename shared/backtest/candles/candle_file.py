"""Candle files as the venues give them, in CSV.

    Kraken's download, no header          time, open, high, low, close, volume, trades
    rows of Coinbase's API, no header     time, low, high, open, close, volume
    either, with a header                 any order, by the names of the columns

Sources: support.kraken.com, "Downloadable historical OHLCVT data"; docs.cdp.coinbase.com, "Get product candles".
Times are unix seconds of a candle's start. Both venues leave out intervals in which nothing traded. Coinbase has no download of
candles; its API answers with the newest first, so a file may be in either order. A row that contradicts itself is an error that
names its line: a shifted column would otherwise trade on nonsense.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.venues.port import Candle

_KRAKEN: Final = ("time", "open", "high", "low", "close", "volume")
_COINBASE: Final = ("time", "low", "high", "open", "close", "volume")
_BY_WIDTH: Final[Mapping[int, Sequence[str]]] = {7: _KRAKEN, 6: _COINBASE}
_MILLISECONDS: Final = 100_000_000_000
"""A time from here on is in milliseconds: in seconds it would be the year 5138."""
_NAMES: Final[Mapping[str, str]] = {"timestamp": "time", "unix": "time", "start": "time"}
"""Other names of columns, in small letters."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` (included) to `end` (excluded), epoch ms."""

    start: int
    end: int


class _Rows:
    """Turns the rows of one file into candles; `columns` are the places of the six fields.

    `guessed` are the names that its columns were given because it has no header; empty if it has one.
    """

    def __init__(
        self, path: Path, minutes: int, period: Period, columns: Sequence[int], guessed: Sequence[str]
    ) -> None:
        self._path = path
        self._step = minutes * 60
        self._period = period
        self._columns = columns
        self._guessed = guessed

    def candle(self, number: int, row: Sequence[str]) -> Candle | None:
        """Return the candle of a row; None if it is outside the period. Raises ConfigurationError naming the line."""
        time, opened, high, low, close, volume = self._columns
        try:
            start = int(row[time])
        except (ValueError, IndexError):
            raise self._error(number, f"no unix time in seconds{_got(row, time)}") from None
        if start >= _MILLISECONDS:
            raise self._error(number, f"the time must be in seconds, not in milliseconds (got {start})")
        if start % self._step:
            raise self._error(number, f"{start} is not the start of a candle of {self._step // 60} minutes")
        at = start * 1000
        if not self._period.start <= at < self._period.end:
            return None
        try:
            found = Candle(at, *(Decimal(row[place]) for place in (opened, high, low, close, volume)))
            consistent = 0 < found.low <= found.open <= found.high and found.low <= found.close <= found.high
            usable = found.high.is_finite() and found.volume.is_finite() and found.volume >= 0
        except (InvalidOperation, IndexError):  # also a comparison with NaN
            raise self._error(number, "a price or volume is not a number") from None
        if not consistent:
            raise self._error(number, f"low, open, close and high contradict one another{self._guess()}")
        if not usable:
            raise self._error(number, "a price or volume is not usable")
        return found

    def _guess(self) -> str:
        """Return as what a file without a header was read: its columns may be others."""
        if not self._guessed:
            return ""
        extra = ", trades" if self._guessed is _KRAKEN else ""
        return f" (read as {', '.join(self._guessed)}{extra}: if the columns are others, name them in a first line)"

    def _error(self, number: int, why: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}:{number}: {why}")


def read_candles(path: Path, minutes: int, period: Period) -> list[Candle]:
    """Read the candles of a file that begin within a period, oldest first.

    Raises ConfigurationError naming file and line; also if the times neither rise nor fall throughout.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            found = list(_numbered(path, csv.reader(file), minutes, period))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: not a CSV file: {error}") from None
    if len(found) > 1 and found[0][1].opened_at > found[-1][1].opened_at:
        found.reverse()
    for (_, earlier), (number, later) in pairwise(found):
        if later.opened_at <= earlier.opened_at:
            raise ConfigurationError(f"{path}:{number}: the candles are not in the order of time")
    return [candle for _, candle in found]


def _numbered(path: Path, rows: Iterator[list[str]], minutes: int, period: Period) -> Iterator[tuple[int, Candle]]:
    reader: _Rows | None = None
    for number, row in enumerate(rows, 1):
        if not row:
            continue
        if reader is None:
            heading = not any(map(_is_number, row))
            guessed = () if heading else _BY_WIDTH.get(len(row), ())
            reader = _Rows(path, minutes, period, _columns(path, row, heading=heading), guessed)
            if heading:
                continue
        if (candle := reader.candle(number, row)) is not None:
            yield number, candle


def _columns(path: Path, first: Sequence[str], *, heading: bool) -> Sequence[int]:
    """Return the places of time, open, high, low, close and volume."""
    if heading:
        given = [_NAMES.get(name, name) for name in (cell.strip().lower() for cell in first)]
    else:
        given = list(_BY_WIDTH.get(len(first), ()))
    missing = [name for name in _KRAKEN if name not in given]
    if len(first) == 1:
        raise ConfigurationError(f"{path}:1: one column only; columns are separated by commas")
    if missing and heading:
        raise ConfigurationError(
            f"{path}:1: the header names no {', '.join(missing)}; it must have {', '.join(_KRAKEN)}, in any order"
        )
    if missing:
        raise ConfigurationError(
            f"{path}:1: {len(first)} columns; without a header Kraken's files have 7, Coinbase's 6; name them in a first line"
        )
    return [given.index(name) for name in _KRAKEN]


def _is_number(cell: str) -> bool:
    try:
        Decimal(cell.strip())
    except InvalidOperation:
        return False
    return True


def _got(row: Sequence[str], place: int) -> str:
    return f" (got {row[place][:40]!r})" if place < len(row) else ""
