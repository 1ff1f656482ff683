"""Short ways to write what a strategy is tested with: candles, holdings, a context. For the tests of any strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.port import Context, Holding
from shared.venues.port import Candle

BEGIN: Final = 1_800_000_000_000
"""Epoch ms at which the first candle opens, a full day."""

Number = int | str | Decimal


def candle(
    close: Number,
    *,
    open: Number | None = None,  # the field's name
    high: Number | None = None,
    low: Number | None = None,
    volume: Number = 1,
    at: int = BEGIN,
) -> Candle:
    """Return a candle; what is left out follows from the close."""
    last = Decimal(close)
    first = last if open is None else Decimal(open)
    top = max(first, last) if high is None else Decimal(high)
    bottom = min(first, last) if low is None else Decimal(low)
    return Candle(at, first, top, bottom, last, Decimal(volume))


def candles(*closes: Number, minutes: int = 1, begin: int = BEGIN) -> list[Candle]:
    """Return candles with these closes, each of which opens at the close before it."""
    opens = (closes[0], *closes) if closes else ()
    return [
        candle(close, open=before, at=begin + index * minutes * 60_000)
        for index, (before, close) in enumerate(zip(opens, closes, strict=False))
    ]


def holding(symbol: str, size: Number, *, price: Number, at: int = BEGIN, plan: ExitPlan | None = None) -> Holding:
    """Return what the strategy holds of a symbol, bought at a price."""
    name = Symbol.parse(symbol)
    return Holding(Quantity(Decimal(size), name.base), Price(Decimal(price), name), at, plan)


def context(
    seen: Mapping[str, Sequence[Candle]],
    held: Mapping[str, Holding] | None = None,
    *,
    equity: Number = 10_000,
    minutes: int = 1,
) -> Context:
    """Return what a strategy sees right after the newest of these candles; the equity is in the symbols' quote currency."""
    found = {Symbol.parse(name): list(each) for name, each in seen.items()}
    currency = next((symbol.quote for symbol in found), "USD")
    newest = max((each[-1].opened_at for each in found.values() if each), default=BEGIN)
    return Context(
        now=newest + minutes * 60_000,
        candles=found,
        holdings={Symbol.parse(name): each for name, each in (held or {}).items()},
        equity=Money(Decimal(equity), currency),
    )
