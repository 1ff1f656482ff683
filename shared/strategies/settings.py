"""Reads `config/strategy.toml`: what the master trades. A missing file means the defaults, an unknown key stops the start.

The default in live mode is `none`: Shoal itself never trades the master's account unless the file names a strategy and allows it.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError, model_validator

from shared.config.errors import ConfigurationError
from shared.config.refusal import in_one_line
from shared.config.settings import Mode
from shared.config.strategy_choice import (
    MIRROR_ONLY,
    STRATEGY_FILE,
    default_strategy,
    read_strategy_file,
    refuse_unwanted,
    strategy_venue,
)
from shared.config.users.file import exact, symbol
from shared.domain.master_account import Baseline
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.strategies.port import Strategy
from shared.strategies.sma_cross import SmaCross

_PER_CENT: Final = Decimal("0.01")


_Exact = Annotated[Decimal, BeforeValidator(exact)]
_Percent = Annotated[_Exact, Field(gt=0, le=100)]
_SymbolName = Annotated[Symbol, BeforeValidator(symbol)]
_AssetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.]{1,16}$")]
_DEFAULT_SYMBOLS: Final = tuple(map(Symbol.parse, ("BTC/USD", "ETH/USD", "SOL/USD")))


class StrategySettings(BaseModel):
    """The file's keys. Per cent are of the master's equity; seconds are of the wall clock, `fast` and `slow` are candles."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: Literal["none", "sma-cross"] = "sma-cross"
    symbols: Annotated[tuple[_SymbolName, ...], Field(min_length=1, max_length=50)] = _DEFAULT_SYMBOLS
    interval_minutes: Literal[1, 5, 15, 30, 60, 240, 1440] = 1
    fast: Annotated[int, Field(ge=1, le=500)] = 3
    slow: Annotated[int, Field(ge=2, le=700)] = 8
    entry_pct: _Percent = Decimal(4)
    entry_pct_by_symbol: dict[_SymbolName, _Percent] = {Symbol.parse("BTC/USD"): Decimal(6)}
    entry_gap_seconds: Annotated[int, Field(ge=0, le=86_400)] = 10
    order_type: Literal["market", "limit"] = "market"
    limit_slippage_bps: Annotated[_Exact, Field(ge=0, le=1_000)] = Decimal(20)
    poll_seconds: Annotated[float, Field(ge=0.2, le=600)] = 1.0
    entry_freshness_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    trade_live: StrictBool = False
    """Whether the strategy may trade real money; without it live mode accepts only `none`."""
    ignore_assets: tuple[_AssetName, ...] = ()
    baseline: Baseline = Baseline.SEPARATE
    venue: VenueName | None = None
    """Where the strategy trades; by default the first of Kraken and Coinbase that the master has an account at."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError(f"fast must be below slow (got {self.fast} and {self.slow})")
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols names one of them twice")
        quotes = sorted({symbol.quote for symbol in self.symbols})
        if len(quotes) > 1:
            raise ValueError(f"symbols must have one quote currency, not {' and '.join(quotes)}")
        return self

    @property
    def currency(self) -> str:
        """The quote currency, in which the equity is counted."""
        return self.symbols[0].quote

    def at(self, venue: str, masters: Collection[str]) -> Self:
        """Return the settings of the account at a venue: only one of the master's accounts is traded by the strategy."""
        return self if venue == strategy_venue(self.venue, masters) else self.model_copy(update={"name": MIRROR_ONLY})

    def build(self) -> Strategy | None:
        """Return the strategy; None if the account is only mirrored."""
        if self.name == MIRROR_ONLY:
            return None
        percents = {symbol: self.entry_pct_by_symbol.get(symbol, self.entry_pct) for symbol in self.symbols}
        shares = {symbol: percent * _PER_CENT for symbol, percent in percents.items()}
        return SmaCross(fast=self.fast, slow=self.slow, shares=shares)


def load_strategy(config: Path, mode: Mode = Mode.PAPER) -> StrategySettings:
    """Read `strategy.toml` of a configuration folder.

    Raises ConfigurationError whose text is one line with the file, the key and the allowed values.
    """
    fields = {"name": default_strategy(mode), **read_strategy_file(config)}
    try:
        settings = StrategySettings.model_validate(fields)
    except ValidationError as error:
        raise ConfigurationError(f"{config / STRATEGY_FILE}: {in_one_line(error, StrategySettings)}") from None
    refuse_unwanted(config, settings.name, mode, trade_live=settings.trade_live)
    return settings
