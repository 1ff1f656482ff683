"""The strategies that a file can name: those that are shipped, by their names, and any class by `package.module:Class`.

A shipped strategy is imported when a file names it. Nothing about any other class is taken on trust (`own_class/`), and what is
wrong with it is one sentence.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from shared.strategies.frame import NO_CAPS, Caps
from shared.strategies.own_class.class_import import hint_at_file, import_class
from shared.strategies.own_class.errors import UnusableStrategyError
from shared.strategies.own_class.instance import make_strategy, strict_settings
from shared.strategies.port import Strategy

_SPELT: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


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
        raise UnusableStrategyError(f"must be {choices()}{_hint(spelt, config)}")
    return _of_class(spelt, import_class(spelt, config))


def choices() -> str:
    """Return the names that a file may have, for an error."""
    names = [repr(name) for name, each in SHIPPED.items() if _is_there(each.module)]
    return f"{', '.join(names)}, 'none' or 'package.module:Class'"


def _hint(spelt: str, config: Path | None) -> str:
    if close := get_close_matches(spelt, [*SHIPPED, "none"], n=1, cutoff=0.7):
        return f"; did you mean {close[0]!r}?"
    return hint_at_file(spelt, config)


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


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
        return make_strategy(spelt, found, chosen)

    return StrategyKind(spelt, strict_settings(settings), make, interval, caps, shipped=False)


INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440)
"""The lengths of candles that both venues have, in minutes."""
