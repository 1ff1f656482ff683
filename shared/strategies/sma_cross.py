"""The simplest trend-follower: long while the fast average of closes is above the slow one. It promises no profit.

Being above counts, not the moment of crossing: a trend that exists at the start is entered, and an exit that could not be sent is
decided again at the next candle.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.domain.values.money import ONE, plain
from shared.domain.values.symbol import Symbol
from shared.strategies.file.values import Percent, SymbolName
from shared.strategies.indicators import sma
from shared.strategies.port import Context, Enter, Exit, Holding, Intent
from shared.venues.port import Candle

_PER_CENT: Final = Decimal("0.01")


class SmaCrossSettings(BaseModel):
    """`fast` and `slow` are candles, per cent are of the strategy's equity."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    fast: Annotated[int, Field(ge=1, le=500)] = 3
    slow: Annotated[int, Field(ge=2, le=700)] = 8
    entry_pct: Percent = Decimal(4)
    entry_pct_by_symbol: dict[SymbolName, Percent] = {Symbol.parse("BTC/USD"): Decimal(6)}

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError(f"fast must be below slow (got {self.fast} and {self.slow})")
        return self


class SmaCross:
    """Two moving averages."""

    name = "sma-cross"
    Settings = SmaCrossSettings

    def __init__(self, settings: SmaCrossSettings) -> None:
        self.needs = settings.slow
        self._settings = settings

    def decide(self, context: Context) -> Sequence[Intent]:
        """Enter what is above and not held, exit what is below and held."""
        decided = (
            self._for_symbol(symbol, candles, context.holdings.get(symbol))
            for symbol, candles in context.candles.items()
        )
        return [intent for intent in decided if intent is not None]

    def _for_symbol(self, symbol: Symbol, candles: Sequence[Candle], held: Holding | None) -> Intent | None:
        closes = [candle.close for candle in candles]
        fast, slow = sma(closes, self._settings.fast), sma(closes, self._settings.slow)
        if fast > slow and held is None:
            percent = self._settings.entry_pct_by_symbol.get(symbol, self._settings.entry_pct)
            return Enter(symbol, percent * _PER_CENT, f"{self._averages(fast, slow)}: above")
        if fast < slow and held is not None:
            return Exit(symbol, ONE, f"{self._averages(fast, slow)}: below")
        return None

    def _averages(self, fast: Decimal, slow: Decimal) -> str:
        return f"SMA{self._settings.fast} {_short(fast)}, SMA{self._settings.slow} {_short(slow)}"


def _short(value: Decimal) -> str:
    return plain(value.quantize(Decimal("0.000001")))
