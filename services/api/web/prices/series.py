"""What the chart of a price page draws: samples of the price, the master's fills and one user's; and its events.

The page gets the whole series whenever it has changed. Nothing is kept per browser but the last series that it was sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi.sse import ServerSentEvent

from services.api.web.events import LONGEST, Pulse, opening
from services.api.web.prices.history import PriceHistory
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.flow.streams import read_entries
from shared.bus.state.price_samples import read_prices_before
from shared.contracts import keys
from shared.domain.values.money import plain
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.trades import latest_trades
from shared.ledger.signal_views import SignalView

_SIGNALS: Final = 1_000
_REPORTS: Final = 1_000
_EVERY: Final = 5.0
"""Seconds between two looks, as between two samples."""


class PriceSeries:
    """Reads the series of one symbol at one venue, with the fills of one user; of none if `user` is empty."""

    def __init__(self, bus: Bus, history: PriceHistory, symbol: Symbol, venue: str, user: str) -> None:
        self._bus = bus
        self._history = history
        self._symbol = symbol
        self._venue = venue
        self._user = user

    async def read(self) -> dict[str, Any]:
        """Return prices and fills, oldest first: instants (epoch ms), amounts as text. Raises BusUnavailable."""
        await self._history.step()
        fills = await self.fills()
        finer = self._history.of(self._venue, self._symbol)
        start = finer[0][0] if finer else self._history.since
        before = await read_prices_before(self._bus, self._venue, self._symbol, start)
        samples = [{"at": at, "price": plain(price)} for at, price in before]
        samples += [{"at": at, "price": price} for at, price in finer]
        return {"prices": samples, "fills": fills}

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Yield the series now, and again whenever it has changed."""
        yield opening()
        sent, pulse, end = "", Pulse(), time.monotonic() + LONGEST
        while time.monotonic() < end:
            try:
                found = json.dumps(await self.read())
                if found != sent:
                    sent = found
                    yield ServerSentEvent(event="series", raw_data=found)
                said = pulse.well()
            except BusError as error:
                said = pulse.lost(str(error))
            for event in said:
                yield event
            await asyncio.sleep(_EVERY)

    async def fills(self) -> list[dict[str, Any]]:
        """Return the master's fills and the user's, oldest first. Raises BusUnavailable."""
        rows = await self._bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", _SIGNALS)
        found: list[dict[str, Any]] = []
        for entry in read_entries(keys.SIGNALS, rows):
            signal = SignalView.of(entry)
            if signal.symbol == str(self._symbol) and signal.venue == self._venue and signal.filled_at:
                found.append(_fill("master", signal.filled_at, signal.side, signal.base_size, signal.price))
        if self._user:
            trades = (await latest_trades(self._bus, [self._user], _REPORTS))[self._user]
            found += [
                _fill(self._user, each.at, each.side, plain(each.size.amount), plain(each.price.shown()))
                for each in trades
                if each.symbol == self._symbol and each.venue == self._venue
            ]
        return sorted(found, key=lambda each: int(each["at"]))


def _fill(who: str, at: int, side: str, size: str, price: str) -> dict[str, Any]:
    return {"who": who, "at": at, "side": str(side), "size": size, "price": price}
