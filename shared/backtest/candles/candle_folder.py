"""Finds the candle file of each pair in a folder, by the names that the venues' files have: `XBTUSD_5.csv`, `BTC-USD_5.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from shared.backtest.candles.candle_file import Period, read_candles
from shared.config.errors import ConfigurationError
from shared.domain.values.symbol import Symbol
from shared.venues.port import Candle

_KRAKENS: Final = {"BTC": "XBT", "DOGE": "XDG"}
"""Assets that Kraken's files name otherwise: shared/venues/kraken/KRAKEN.md, K20."""

_SHOWN: Final = 5


def file_names(symbol: Symbol, minutes: int) -> tuple[str, ...]:
    """Return the names under which the candles of a pair are looked for; `minutes` is the length of one."""
    bases = dict.fromkeys((_KRAKENS.get(symbol.base, symbol.base), symbol.base))
    pairs = [f"{base}{separator}{symbol.quote}" for base in bases for separator in ("", "-")]
    return tuple(f"{pair}_{minutes}.csv" for pair in pairs)


def read_folder(folder: Path, symbols: Iterable[Symbol], minutes: int, period: Period) -> Mapping[Symbol, list[Candle]]:
    """Read the candles of each pair within a period. Raises ConfigurationError naming the folder, or file and line."""
    if not folder.is_dir():
        hint = f"; give the folder in which it is, {folder.parent}" if folder.is_file() else ""
        raise ConfigurationError(f"{folder} is not a folder with candle files{hint}")
    return {symbol: read_candles(_find(folder, symbol, minutes), minutes, period) for symbol in symbols}


def _find(folder: Path, symbol: Symbol, minutes: int) -> Path:
    names = file_names(symbol, minutes)
    found = [path for path in (folder / name for name in names) if path.is_file()]
    if not found:
        raise ConfigurationError(
            f"{folder}: no candles of {symbol} of {minutes} min: none of {', '.join(names)}{_others(folder)}"
        )
    if len(found) > 1:
        raise ConfigurationError(f"{folder}: two files for {symbol}: {found[0].name} and {found[1].name}")
    return found[0]


def _others(folder: Path) -> str:
    """Return which candle files there are instead: the interval in the name may be another one."""
    there = sorted(path.name for path in folder.glob("*.csv"))
    more = ", ..." if len(there) > _SHOWN else ""
    return f"; there are {', '.join(there[:_SHOWN])}{more}" if there else "; there is no .csv file"
