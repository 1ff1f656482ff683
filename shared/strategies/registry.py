"""The strategies that a file can name: those that are shipped, by their names, and any class by `package.module:Class`.

A shipped strategy is imported when a file names it. A class of a stranger is imported from `config/strategies/` or from installed
packages; nothing about it is taken on trust, and what is wrong with it is one sentence.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from pydantic import BaseModel, ConfigDict

from shared.strategies.frame import NO_CAPS, Caps
from shared.strategies.port import Strategy

FOLDER: Final = "strategies"
"""Where the strategies of a configuration folder are: `config/strategies/`."""
_SPELT: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class UnusableStrategyError(ValueError):
    """A name that is no strategy; the text says why, and what is one."""


class NoSettings(BaseModel):
    """The settings of a strategy that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class StrategyKind:
    """A class of strategies: how one is made, and what holds for it where the file says nothing else."""

    spelt: str
    """As the file names it."""
    settings: type[BaseModel]
    make: Callable[[BaseModel], Strategy]
    interval_minutes: int = 1
    caps: Caps = NO_CAPS
    shipped: bool = True
    """Whether its code is Shoal's: other code runs in a process of its own."""


@dataclass(frozen=True, slots=True)
class _Shipped:
    module: str
    strategy: str
    settings: str
    interval_minutes: int = 1
    caps: Caps = NO_CAPS


SHIPPED: Final = {
    "sma-cross": _Shipped("shared.strategies.sma_cross", "SmaCross", "SmaCrossSettings"),
    "trend": _Shipped(
        "shared.strategies.trend",
        "Trend",
        "TrendSettings",
        interval_minutes=5,
        caps=Caps(
            max_positions=8,
            max_entries_per_day=30,
            entry_gap_seconds=300,
            max_exposure_pct=Decimal(80),
            one_entry_per_cycle=True,
            settle_seconds=6,
        ),
    ),
}
"""By the name in the file."""


def find_kind(spelt: str, config: Path | None = None) -> StrategyKind:
    """Return the strategy of a name; `config` is the configuration folder, whose `strategies/` are importable from then on.

    Raises UnusableStrategyError.
    """
    if (shipped := SHIPPED.get(spelt)) is not None and _is_there(shipped.module):
        module = importlib.import_module(shipped.module)
        return StrategyKind(
            spelt,
            getattr(module, shipped.settings),
            getattr(module, shipped.strategy),
            shipped.interval_minutes,
            shipped.caps,
        )
    if not _SPELT.fullmatch(spelt):
        raise UnusableStrategyError(f"must be {choices()}")
    return _of_class(spelt, _load(spelt, config))


def choices() -> str:
    """Return the names that a file may have, for an error."""
    names = [repr(name) for name, each in SHIPPED.items() if _is_there(each.module)]
    return f"{', '.join(names)}, 'none' or 'package.module:Class'"


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _load(spelt: str, config: Path | None) -> type:
    name, _, attribute = spelt.partition(":")
    folder = None if config is None else str((config / FOLDER).resolve())
    if folder is not None and folder not in sys.path:
        sys.path.append(folder)  # last: a file there must not hide a module of Python or Shoal
    where = "an installed package" if folder is None else f"{config}/{FOLDER} or an installed package"
    try:
        module = _imported(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UnusableStrategyError(f"there is no module {name} in {where}") from None
        raise UnusableStrategyError(f"{name} cannot be imported: {error}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the code of a stranger: whatever it raises is said
        raise UnusableStrategyError(f"{name} cannot be imported: {type(error).__name__}: {error}") from None
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        raise UnusableStrategyError(f"{name} has no class {attribute}")
    return found


def _imported(name: str) -> ModuleType:
    """Import a module without leaving compiled files in a folder that a person edits."""
    importlib.invalidate_caches()  # the file may be seconds old
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(name)
    finally:
        sys.dont_write_bytecode = before


def _of_class(spelt: str, found: type) -> StrategyKind:
    if not callable(getattr(found, "decide", None)):
        raise UnusableStrategyError(f"{spelt} has no method decide(context)")
    settings = getattr(found, "Settings", NoSettings)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise UnusableStrategyError(f"{spelt}.Settings must be a pydantic model")
    caps = getattr(found, "caps", NO_CAPS)
    if not isinstance(caps, Caps):
        raise UnusableStrategyError(f"{spelt}.caps must be shared.strategies.frame.Caps")
    interval = getattr(found, "interval_minutes", 1)
    if interval not in INTERVALS:
        raise UnusableStrategyError(f"{spelt}.interval_minutes must be one of {', '.join(map(str, INTERVALS))}")

    def make(chosen: BaseModel) -> Strategy:
        return _made(spelt, found, chosen)

    return StrategyKind(spelt, settings, make, interval, caps, shipped=False)


INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440)
"""The lengths of candles that both venues have, in minutes."""


def _made(spelt: str, found: Any, chosen: BaseModel) -> Strategy:  # Any: a class of a stranger
    """Make a strategy. Raises UnusableStrategyError."""
    try:
        strategy = found(chosen)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the code of a stranger: whatever it raises is said
        raise UnusableStrategyError(f"{spelt}(settings) failed: {type(error).__name__}: {error}") from None
    needs = getattr(strategy, "needs", None)
    if not isinstance(needs, int) or isinstance(needs, bool) or not 1 <= needs <= 700:
        raise UnusableStrategyError(f"{spelt}.needs must be a number of candles from 1 to 700, not {needs!r}")
    held = getattr(strategy, "needs_held", needs)
    if not isinstance(held, int) or isinstance(held, bool) or not 1 <= held <= needs:
        raise UnusableStrategyError(f"{spelt}.needs_held must be a number of candles from 1 to {needs}, not {held!r}")
    return cast("Strategy", strategy)
