"""The simplest trend-follower: long while the fast average of closes is above the slow one. It promises no profit.

Being above counts, not the moment of crossing: a trend that exists at the start is entered, and an exit that could not be sent is
decided again at the next candle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from shared.domain.values.money import ONE, plain
from shared.domain.values.symbol import Symbol
from shared.strategies.indicators import sma
from shared.strategies.port import Context, Enter, Exit, Holding, Intent
from shared.venues.port import Candle


class SmaCross:
    """Two moving averages; `shares` is each symbol's entry as a share of the equity (0..1]."""

    name = "sma-cross"

    def __init__(self, *, fast: int, slow: int, shares: Mapping[Symbol, Decimal]) -> None:
        self.needs = slow
        self._fast = fast
        self._slow = slow
        self._shares = shares

    def decide(self, context: Context) -> Sequence[Intent]:
        """Enter what is above and not held, exit what is below and held."""
        decided = (
            self._for_symbol(symbol, candles, context.holdings.get(symbol))
            for symbol, candles in context.candles.items()
        )
        return [intent for intent in decided if intent is not None]

    def _for_symbol(self, symbol: Symbol, candles: Sequence[Candle], held: Holding | None) -> Intent | None:
        closes = [candle.close for candle in candles]
        fast, slow = sma(closes, self._fast), sma(closes, self._slow)
        holds = held is not None
        if fast > slow and not holds and symbol in self._shares:
            return Enter(symbol, self._shares[symbol], f"{self._averages(fast, slow)}: above")
        if fast < slow and holds:
            return Exit(symbol, ONE, f"{self._averages(fast, slow)}: below")
        return None

    def _averages(self, fast: Decimal, slow: Decimal) -> str:
        return f"SMA{self._fast} {_short(fast)}, SMA{self._slow} {_short(slow)}"


def _short(value: Decimal) -> str:
    return plain(value.quantize(Decimal("0.000001")))
