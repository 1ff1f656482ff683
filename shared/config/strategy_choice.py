"""The strategy of the master account: the part of `config/strategy.toml` that decides whether a strategy may move real money.

No strategy must ever trade real money because a file was left as it was shipped: in live mode it needs two settings, its name and
`trade_live = true`. `SHOAL_STRATEGY` names another file, as the demo does; what may trade real money is the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.config.errors import ConfigurationError
from shared.config.settings import Mode
from shared.domain.values.venue import VENUES

STRATEGY_FILE: Final = "strategy.toml"
MIRROR_ONLY: Final = "none"
"""The account is followed; Shoal itself does not trade it."""
DEFAULT: Final = "trend"
"""What trades paper money where the file names no strategy, or where there is none."""
SAMPLE: Final = "sma-cross"
"""The strategy of files from before there were others."""


@dataclass(frozen=True, slots=True)
class StrategyChoice:
    """The choice of the file: `explicit` is whether it names a strategy at all."""

    name: str
    explicit: bool
    trade_live: bool = False
    venue: str = ""
    """Where it trades; empty if the file does not say."""
    master: str = ""
    """The named master that it trades; empty if the file names none."""


def default_strategy(mode: Mode) -> str:
    """Return the strategy of a file that names none, or without a file: none in live mode, the default in paper mode."""
    return MIRROR_ONLY if mode is Mode.LIVE else DEFAULT


def strategy_file(config: Path, chosen: Path | None) -> Path:
    """Return the file that is read: the chosen one, or that of the configuration folder."""
    return config / STRATEGY_FILE if chosen is None else chosen


def read_strategy_file(config: Path, chosen: Path | None = None) -> Mapping[str, Any]:
    """Parse the file; empty if the configuration folder has none. Raises ConfigurationError in one line."""
    path = strategy_file(config, chosen)
    if chosen is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None


def read_strategy_choice(config: Path, mode: Mode, chosen: Path | None = None) -> StrategyChoice:
    """Return which strategy trades; `chosen` is the file, if not that of the folder. Raises ConfigurationError if it may not."""
    fields = read_strategy_file(config, chosen)
    named = _named(fields)
    name = default_strategy(mode) if named is None else named
    choice = StrategyChoice(name, named is not None, fields.get("trade_live") is True, *_place(fields))
    refuse_unwanted(strategy_file(config, chosen), choice.name, mode, trade_live=choice.trade_live)
    return choice


def _place(fields: Mapping[str, Any]) -> tuple[str, str]:
    return str(fields.get("venue", "")), str(fields.get("master", ""))


def _named(fields: Mapping[str, Any]) -> str | None:
    """Return what the file names as its strategy, or as its strategies; None if it names none."""
    several = fields.get("strategies")
    if isinstance(several, list) and several:
        return ", ".join(str(each.get("name", each.get("strategy"))) for each in several if isinstance(each, Mapping))
    found = fields.get("strategy", fields.get("name"))
    return None if found is None else str(found)


def strategy_venue(chosen: str | None, masters: Collection[str]) -> str:
    """Return the venue whose account the strategy trades, of those at which the master has a key: by default Kraken."""
    return chosen or next((str(venue) for venue in VENUES if venue in masters), "")


def no_master_there(file: Path, venue: str) -> str:
    """Return what is said of a file whose strategy trades where the master has no account."""
    return f"{file}: venue is {venue!r}, but the master has no API key there"


def refuse_unwanted(file: Path, name: str, mode: Mode, *, trade_live: bool) -> None:
    """Raise ConfigurationError for a strategy that would trade real money without `trade_live = true`."""
    if mode is Mode.LIVE and name != MIRROR_ONLY and not trade_live:
        raise ConfigurationError(
            f"{file}: SHOAL_MODE is live and strategy is {name!r}: it would trade real money. "
            f'Set strategy = "none" to only mirror what is traded on the master account, '
            f"or trade_live = true if the strategy shall trade it"
        )
