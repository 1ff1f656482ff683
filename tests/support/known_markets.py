"""Markets whose pair facts a test gives, instead of those in Redis."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from services.copy_engine.decisions.markets import Markets
from shared.bus.state.records import Records
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol

_NO_RECORDS: Final[Records] = None  # type: ignore[assignment]  # nothing is read


class KnownMarkets(Markets):
    """The same pairs, and the same prices, at every venue."""

    def __init__(self, pairs: Mapping[Symbol, Instrument], prices: Mapping[Symbol, Price] | None = None) -> None:
        super().__init__(_NO_RECORDS, lambda: 0, time.monotonic)
        self._pairs = pairs
        self._prices = prices or {}

    async def instruments(self, venue: str) -> Mapping[Symbol, Instrument]:
        """Return the pairs."""
        del venue
        return self._pairs

    async def price(self, venue: str, symbol: Symbol) -> Price | None:
        """Return the price."""
        del venue
        return self._prices.get(symbol)
