"""Sums up an account's trades from its reports, once: where Redis has no sums yet, or lost them.

From then on each fill adds to them in the step that books it. The reports are read before the booking lock is taken, and under
it only what came meanwhile: orders must not wait for the reading of a month. Reports of another kind of money do not count.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from shared.bus.connection import Bus
from shared.bus.flow.streams import entry_ms
from shared.contracts import keys
from shared.contracts.trade_totals import CONTENTS, write_totals
from shared.ledger.performance.check import sum_trades
from shared.ledger.performance.trades import Trade, read_trades
from shared.ledger.reading import stream_extents

_LOOK_AGAIN: Final = 300.0
"""Seconds between looks for sums that were deleted."""

log = structlog.get_logger()


class SumsBuilder:
    """Builds the sums of one account where they are missing."""

    def __init__(self, bus: Bus, context: AccountContext) -> None:
        self._bus = bus
        self._context = context
        self._due = 0.0

    async def round(self) -> None:
        """Build the sums if they are missing. Raises LeaseLost, BusUnavailable."""
        context = self._context
        user, venue = context.user, context.venue.name
        if time.monotonic() < self._due or context.account.books_lost:
            return
        if not await self._bus.do("HGET", keys.totals(user, venue), CONTENTS):
            trades = [trade async for trade in read_trades(self._bus, user)]
            async with context.positions.booking:
                after = trades[-1].entry_id if trades else ""
                trades += [trade async for trade in read_trades(self._bus, user, after)]
                await self._write(trades)
        self._due = time.monotonic() + _LOOK_AGAIN

    async def _write(self, trades: list[Trade]) -> None:
        user, venue, since = self._context.user, self._context.venue.name, self._context.books.since
        (extent,) = await stream_extents(self._bus, [keys.reports(user)])
        if extent.removed:
            since = max(since, extent.first[0] if extent.first else self._context.clock())
        mine = [trade for trade in trades if trade.venue == venue and entry_ms(trade.entry_id) >= since]
        sums = {str(symbol): write_totals(each) for symbol, each in sum_trades(mine).items()}
        await self._context.store.write_totals({**sums, CONTENTS: str(since)})
        if mine:
            log.info("trades summed up from the reports", user=user, venue=venue, trades=len(mine), since=since)
