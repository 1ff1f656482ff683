"""The venues' markets as the engine knows them: published pair facts, and prices where a signal is copied at another venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from shared.bus.state.records import Records
from shared.domain.copying.decision_plan import DecisionPlan
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Kind
from shared.domain.signal import Signal
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol

_INSTRUMENTS_AGE: Final = 5.0
"""Seconds for which the published instruments are used before they are read again."""
_PRICE_AGE_MS: Final = 30_000
"""A price that is older bounds nothing. Those of symbols that are not held are published every 15 s."""


class Markets:
    """Reads what decisions need of a venue. Nothing is decided here."""

    def __init__(self, records: Records, clock: Callable[[], int], elapsed: Callable[[], float]) -> None:
        """`clock` returns the venue's time (epoch ms), `elapsed` seconds of a clock that does not step."""
        self._records = records
        self._clock = clock
        self._elapsed = elapsed
        self._instruments: dict[str, tuple[float, Mapping[Symbol, Instrument]]] = {}

    async def plan(self, signal: Signal, settings: UserPolicy, venue: str | None) -> DecisionPlan:
        """Return the plan of a signal for users with these settings who copy it at a venue. Raises BusUnavailable."""
        if venue is None:
            return DecisionPlan(signal, settings, None, venue=None)
        traded = settings.symbols.mapped(signal.symbol)
        instrument = (await self.instruments(venue)).get(traded)
        elsewhere = venue != signal.venue and signal.kind is Kind.ENTRY
        price = await self.price(venue, traded) if elsewhere else None
        return DecisionPlan(signal, settings, instrument, venue=venue, price=price)

    async def instruments(self, venue: str) -> Mapping[Symbol, Instrument]:
        """Return the published pair facts of a venue."""
        cached = self._instruments.get(venue)
        if cached is None or self._elapsed() - cached[0] > _INSTRUMENTS_AGE:
            cached = (self._elapsed(), await self._records.instruments(venue))
            self._instruments[venue] = cached
        return cached[1]

    async def price(self, venue: str, symbol: Symbol) -> Price | None:
        """Return the published price of a symbol; None if there is none, or it is too old."""
        known = (await self._records.prices_of(venue, [symbol])).get(symbol)
        return known[0] if known is not None and known[1] >= self._clock() - _PRICE_AGE_MS else None
