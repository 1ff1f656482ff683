"""Samples of prices in memory, for the charts of the price pages.

The samples are of the prices that Redis holds for trading, so the chart shows what the copies were judged by. They begin with the
start of the API and are bounded; before that there are those of the price feed (`shared/bus/state/price_samples.py`). Nothing
is decided by them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.state.records import Records
from shared.domain.values.money import plain
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES

_EVERY: Final = 5.0
_SAMPLES: Final = 2_880
"""Of one symbol: four hours."""
_SYMBOLS: Final = 300
"""Of one venue; others are not sampled."""

log = structlog.get_logger()
Sample = tuple[int, str]


class PriceHistory:
    """The samples of every symbol; a price that has not changed is not sampled again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._samples: dict[tuple[str, Symbol], deque[Sample]] = {}
        self.since = time.time_ns() // 1_000_000

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            try:
                await self.step()
            except BusError as error:
                log.debug("prices cannot be sampled", reason=str(error))
            await asyncio.sleep(_EVERY)

    async def step(self) -> None:
        """Take a sample of each price. Raises BusUnavailable."""
        for venue in VENUES:
            for symbol, (price, at) in (await Records(self._bus).prices(venue)).items():
                self._note(venue, symbol, (at, plain(price.amount)))

    def _note(self, venue: str, symbol: Symbol, sample: Sample) -> None:
        samples = self._samples.get((venue, symbol))
        if samples is None:
            if sum(known == venue for known, _ in self._samples) >= _SYMBOLS:
                return
            samples = self._samples[venue, symbol] = deque(maxlen=_SAMPLES)
        if not samples or (samples[-1][1] != sample[1] and samples[-1][0] < sample[0]):
            samples.append(sample)

    def of(self, venue: str, symbol: Symbol) -> Sequence[Sample]:
        """Return the samples of a symbol, oldest first: instant (epoch ms) and price."""
        return tuple(self._samples.get((venue, symbol), ()))
