"""Compares an account's positions from copying with the venue's balances, on a timer, and tells each difference once.

It never trades and never changes a position: a person decides, with `ops reconcile --repair`.
"""

from __future__ import annotations

import structlog

from services.executor.desk import Desk
from shared.domain.reconcile import compare
from shared.venues.errors import VenueError

log = structlog.get_logger()


class Reconciler:
    """Reconciles one desk. What was told stands in Redis, so that neither a second pass nor a restart tells it again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def run_once(self) -> int:
        """Make one pass; answers how many differences were new. An account that cannot be read is left for the next pass."""
        desk = self._desk
        positions = await desk.records.positions(desk.user, desk.venue.name)
        told = await desk.records.differences(desk.user, desk.venue.name)
        if not positions and not told:
            return 0
        try:
            balances = await desk.venue.balances()
        except VenueError as error:
            log.warning("reconciliation has to wait", user=desk.user, reason=str(error))
            return 0
        # A fill that is being booked right now makes the two sides differ for a moment: such symbols wait for the next pass.
        if await desk.records.positions(desk.user, desk.venue.name) != positions:
            return 0
        found = {
            str(difference.symbol): str(difference)
            for difference in compare(positions, {asset: balance.total for asset, balance in balances.items()})
        }
        new = {symbol: text for symbol, text in found.items() if told.get(symbol) != text}
        await desk.records.write_differences(desk.user, desk.venue.name, found, gone=told.keys() - found.keys())
        for symbol, text in new.items():
            log.warning("position differs from the venue's balance", user=desk.user, symbol=symbol, difference=text)
        return len(new)
