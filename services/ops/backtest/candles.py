"""Where the candles of a run come from: a folder of files, or the generated market of the paper exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from shared.backtest.candles.candle_file import Period
from shared.backtest.candles.candle_folder import read_folder
from shared.backtest.report.assumptions import Gaps
from shared.backtest.report.views import utc
from shared.config.errors import ConfigurationError
from shared.domain.limits.risk_state import DAY_MS
from shared.domain.values.instrument import Instrument
from shared.domain.values.symbol import Symbol
from shared.seeded_market.candles import seeded_candles
from shared.seeded_market.path import START_PRICES
from shared.seeded_market.regimes import REGIMES
from shared.venues.port import Candle

_FIRST_DAY: Final = 1_735_689_600_000
"""2025-01-01, epoch ms: where a generated market begins, so that one command gives one result for ever."""
_DEFAULT_DAYS: Final = 90
_STEP: Final = 60
_STEP_OF_MINUTES: Final = 15
"""Seconds between two generated prices, and in candles of one minute, which would otherwise have one price each."""
_END_OF_TIME: Final = 1 << 62
_MS_PER_MINUTE: Final = 60_000

Candles = Mapping[Symbol, Sequence[Candle]]


@dataclass(frozen=True, slots=True)
class FromFolder:
    """Files of a folder from `start` to `end` (epoch ms); None: all there is."""

    folder: Path
    start: int | None
    end: int | None

    @property
    def words(self) -> str:
        """Name the source."""
        return f"the files in {self.folder}"

    def read(
        self, needs: Mapping[Symbol, int], minutes: int, instruments: Mapping[Symbol, Instrument]
    ) -> tuple[Candles, int]:
        """Return the candles, and when trading begins; before that are as many as a strategy needs, if the files have them.

        `needs`: how many candles of each pair a strategy must be given before it decides.
        """
        warm_up, symbols = max(needs.values()) * minutes * _MS_PER_MINUTE, list(needs)
        period = Period(0 if self.start is None else max(self.start - warm_up, 0), self.end or _END_OF_TIME)
        candles = read_folder(self.folder, symbols, minutes, period)
        for symbol, found in candles.items():
            if not found or found[-1].opened_at < (self.start or 0):
                raise ConfigurationError(
                    f"{self.folder}: no candles of {symbol} in this period{self._there(symbol, minutes)}"
                )
            if (most := _most_in_a_row(found, minutes)) < needs[symbol]:
                raise ConfigurationError(
                    f"{self.folder}: {symbol} has {len(found):,} candles, at most {most:,} of them without a gap; the strategy "
                    f"needs {needs[symbol]:,} before it decides"
                )
        return candles, self.start if self.start is not None else min(each[0].opened_at for each in candles.values())

    def _there(self, symbol: Symbol, minutes: int) -> str:
        found = read_folder(self.folder, [symbol], minutes, Period(0, _END_OF_TIME))[symbol]
        return (
            f"; they are from {utc(found[0].opened_at)} to {utc(found[-1].opened_at)} UTC"
            if found
            else "; the file is empty"
        )


@dataclass(frozen=True, slots=True)
class FromSeed:
    """The generated market."""

    seed: int
    regime: str
    start: int | None
    end: int | None
    days: int | None

    @property
    def words(self) -> str:
        """Name the source."""
        return f"the generated market, seed {self.seed}, regime {self.regime}"

    def read(
        self, needs: Mapping[Symbol, int], minutes: int, instruments: Mapping[Symbol, Instrument]
    ) -> tuple[Candles, int]:
        """Return the candles and when trading begins: a strategy waits until it has seen as many as it needs."""
        if self.regime not in REGIMES:
            raise ConfigurationError(f"--regime {self.regime}: must be one of {', '.join(REGIMES)}")
        start, end = self._period()
        length = minutes * _MS_PER_MINUTE
        start, count = start - start % length, (end - start) // length
        if count <= (least := max(needs.values())):
            raise ConfigurationError(
                f"--days: {count} candles are too few; the strategy needs {least} before it decides"
            )
        step = _STEP_OF_MINUTES if minutes == 1 else _STEP
        found = {}
        for symbol in needs:
            if str(symbol) not in START_PRICES:
                raise ConfigurationError(
                    f"symbols: the generated market has no {symbol}; it has {', '.join(START_PRICES)}"
                )
            generated = seeded_candles(
                seed=self.seed, symbol=str(symbol), regime=self.regime, decimals=_decimals(instruments[symbol]),
                start=start // 1000, minutes=minutes, count=count, step=step,
            )  # fmt: skip
            found[symbol] = list(generated)
        return found, start

    def _period(self) -> tuple[int, int]:
        start = _FIRST_DAY if self.start is None else self.start
        if self.end is None:
            return start, start + (self.days or _DEFAULT_DAYS) * DAY_MS
        if self.days is not None:
            raise ConfigurationError("give --days or --to, not both")
        return start, self.end


def find_gaps(candles: Candles, minutes: int) -> Gaps:
    """Return what is missing between the first and the last candle of each pair, of all pairs together."""
    length, missing, longest, words = minutes * _MS_PER_MINUTE, 0, 0, ""
    for symbol, found in candles.items():
        for earlier, later in pairwise(found):
            if (gap := (later.opened_at - earlier.opened_at) // length - 1) > 0:
                missing += gap
                if gap > longest:
                    longest, words = gap, f"{gap:,} of {symbol} from {utc(earlier.opened_at + length)}"
    return Gaps(missing, words)


def _most_in_a_row(candles: Sequence[Candle], minutes: int) -> int:
    length = minutes * _MS_PER_MINUTE
    most = run = 1
    for earlier, later in pairwise(candles):
        run = run + 1 if later.opened_at - earlier.opened_at == length else 1
        most = max(most, run)
    return most


def _decimals(instrument: Instrument) -> int:
    return max(0, -int(instrument.tick.normalize().as_tuple().exponent))
