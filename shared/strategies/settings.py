"""Reads `config/strategy.toml`: what the master trades. A missing file means the defaults, an unknown key stops the start.

The default in live mode is `none`: Shoal itself never trades the master's account unless the file names a strategy and allows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, create_model, model_validator

from shared.config.errors import ConfigurationError
from shared.config.settings import Mode
from shared.config.strategy_choice import (
    DEFAULT,
    MIRROR_ONLY,
    default_strategy,
    read_strategy_file,
    refuse_unwanted,
    strategy_file,
)
from shared.config.venue.refusal import in_one_line, shown
from shared.domain.master_account import Baseline
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.strategies.file.caps_table import CapsTable
from shared.strategies.file.former_keys import has_former_keys, with_present_keys
from shared.strategies.file.values import Exact, Percent, SymbolName
from shared.strategies.own_class.errors import UnusableStrategyError
from shared.strategies.registry import find_kind
from shared.strategies.slot import StrategySlot

_PER_CENT: Final = Decimal("0.01")
_WHOLE: Final = Decimal(100)
_DEFAULT_SYMBOLS: Final = tuple(map(Symbol.parse, ("BTC/USD", "ETH/USD", "SOL/USD")))

_Interval = Literal[1, 5, 15, 30, 60, 240, 1440]
_Symbols = Annotated[tuple[SymbolName, ...], Field(min_length=1, max_length=50)]
_AssetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.]{1,16}$")]
_Spelt = Annotated[str, Field(min_length=1, max_length=200)]
_MasterName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
_Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class StrategyTable(BaseModel):
    """One of several strategies: a table `[[strategies]]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    strategy: _Spelt
    name: _Label | None = None
    """Under which its positions are recorded; by default that of the strategy."""
    symbols: _Symbols | None = None
    equity_pct: Percent
    """Its share of the master's equity."""
    interval_minutes: _Interval | None = None
    settings: dict[str, Any] = {}
    caps: CapsTable = CapsTable()

    @property
    def label(self) -> str:
        """Return the name of its positions."""
        return self.name or self.strategy


class StrategySettings(BaseModel):
    """The file's keys. Per cent are of the master's equity; seconds are of the wall clock."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    strategy: _Spelt = DEFAULT
    settings: dict[str, Any] = {}
    """The strategy's own settings."""
    caps: CapsTable = CapsTable()
    strategies: tuple[StrategyTable, ...] = ()
    """Several at once, instead of `strategy`, `settings` and `caps`."""
    symbols: _Symbols = _DEFAULT_SYMBOLS
    interval_minutes: _Interval | None = None
    """Of the candles; by default as the strategy wants it."""
    scan_batch: Annotated[int, Field(ge=1, le=50)] | None = None
    """Symbols that a cycle looks at in turn, beside those that are held; None: all of them."""
    budget_seconds: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    """How long a strategy of a stranger may take for one decision."""
    entry_gap_seconds: Annotated[int, Field(ge=0, le=86_400)] = 10
    order_type: Literal["market", "limit"] = "market"
    limit_slippage_bps: Annotated[Exact, Field(ge=0, le=1_000)] = Decimal(20)
    poll_seconds: Annotated[float, Field(ge=0.2, le=600)] = 1.0
    entry_freshness_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    trade_live: StrictBool = False
    """Whether the strategy may trade real money; without it live mode accepts only `none`."""
    stop_at_venue: StrictBool = False
    """Whether a stop rests at the venue beside each position with an exit plan, so that it acts while this machine is off."""
    ignore_assets: tuple[_AssetName, ...] = ()
    baseline: Baseline = Baseline.SEPARATE
    venue: VenueName | None = None
    """Where the strategy trades; by default the first of Kraken and Coinbase that the master has an account at."""
    master: _MasterName | None = None
    """The named master that it trades, by a file `masters/<name>.toml`."""

    @model_validator(mode="before")
    @classmethod
    def _present_keys(cls, values: object) -> object:
        return with_present_keys(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for key, symbols in self._lists_of_symbols():
            if len(set(symbols)) != len(symbols):
                raise ValueError(f"{key} names one of them twice")
        quotes = sorted({symbol.quote for symbol in self.traded_symbols})
        if len(quotes) > 1:
            raise ValueError(f"symbols must have one quote currency, not {' and '.join(quotes)}")
        labels = [table.label for table in self.strategies]
        if twice := next((label for label in labels if labels.count(label) > 1), ""):
            raise ValueError(f"strategies: two have the same name {twice!r}; give each a name of its own (name = ...)")
        if (total := sum(table.equity_pct for table in self.strategies)) > _WHOLE:
            raise ValueError(f"strategies: equity_pct are {total} together, more than 100; lower one of them")
        if any(table.strategy == MIRROR_ONLY for table in self.strategies):
            raise ValueError('strategies: "none" is no strategy; leave the table out')
        return self

    def _lists_of_symbols(self) -> list[tuple[str, tuple[Symbol, ...]]]:
        tables = [(f"strategies.{index}.symbols", each.symbols) for index, each in enumerate(self.strategies)]
        return [("symbols", self.symbols), *((key, symbols) for key, symbols in tables if symbols is not None)]

    @property
    def traded_symbols(self) -> tuple[Symbol, ...]:
        """Return the symbols of all strategies, each once."""
        found = [symbol for table in self.strategies for symbol in table.symbols or self.symbols]
        return tuple(dict.fromkeys(found)) or self.symbols

    @property
    def currency(self) -> str:
        """The quote currency, in which the equity is counted."""
        return self.traded_symbols[0].quote

    @property
    def slippage_bps(self) -> Decimal | None:
        """How far from the price a limit order goes, in basis points; None: market orders."""
        return self.limit_slippage_bps if self.order_type == "limit" else None

    @property
    def name(self) -> str:
        """Return the names of the strategies, or `none`."""
        return ", ".join(table.label for table in self.strategies) or self.strategy

    @property
    def trades(self) -> bool:
        """Return whether a strategy trades the account; if not, it is only mirrored."""
        return bool(self.strategies) or self.strategy != MIRROR_ONLY

    def of_account(self, *, traded: bool) -> Self:
        """Return the settings of one account: only one of the master's accounts is traded by the strategy."""
        return self if traded else self.model_copy(update={"strategy": MIRROR_ONLY, "strategies": ()})

    def slots(self, config: Path | None = None) -> tuple[StrategySlot, ...]:
        """Return the strategies with their settings checked; none if the account is only mirrored.

        `config` is the configuration folder. Raises ConfigurationError in one line that names the key.
        """
        if not self.trades:
            return ()
        alone = StrategyTable(strategy=self.strategy, equity_pct=_WHOLE, settings=self.settings, caps=self.caps)
        if not self.strategies:
            return (self._slot(alone, "", config),)
        return tuple(self._slot(table, f"strategies.{index}.", config) for index, table in enumerate(self.strategies))

    def _slot(self, table: StrategyTable, where: str, config: Path | None) -> StrategySlot:
        try:
            kind = find_kind(table.strategy, config)
        except UnusableStrategyError as error:
            raise ConfigurationError(f"{where}strategy: {error} (got {shown(table.strategy)})") from None
        file = create_model("File", settings=(kind.settings, ...))
        try:
            chosen = getattr(file.model_validate({"settings": table.settings}), "settings")  # noqa: B009
        except ValidationError as error:
            raise ConfigurationError(f"{where}{in_one_line(error, file)}") from None
        slot = StrategySlot(
            name=table.label,
            kind=kind,
            settings=chosen,
            written=table.settings,
            symbols=table.symbols or self.symbols,
            share=table.equity_pct * _PER_CENT,
            interval_minutes=table.interval_minutes or self.interval_minutes or kind.interval_minutes,
            caps=table.caps.over(kind.caps),
        )
        try:
            slot.build()
        except UnusableStrategyError as error:
            raise ConfigurationError(f"{where}strategy: {error}") from None
        return slot


def load_strategy(config: Path, mode: Mode = Mode.PAPER, chosen: Path | None = None) -> StrategySettings:
    """Read `strategy.toml` of a configuration folder, or the chosen file, and check the settings of its strategies.

    Raises ConfigurationError whose text is one line with the file, the key and the allowed values.
    """
    fields, file = read_strategy_file(config, chosen), strategy_file(config, chosen)
    if not fields.keys() & {"name", "strategy", "strategies"} and (mode is Mode.LIVE or not has_former_keys(fields)):
        fields = {"strategy": default_strategy(mode), **fields}
    try:
        settings = StrategySettings.model_validate(fields)
        settings.slots(config)
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {in_one_line(error, StrategySettings)}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    refuse_unwanted(file, settings.name, mode, trade_live=settings.trade_live)
    return settings
