"""The strategies of one session: a cycle for each, and one watch over the exit plans of all that they hold.

The watch also serves positions of strategies that the file no longer names. Mirrored only, the account is left alone, because its
owner said so; what strategies still hold there is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.plugins.runner import open_runner
from services.master_strategy.stops.venue_stops import VenueStops
from services.master_strategy.trading.cycle import Cycle
from services.master_strategy.trading.exit_watch import ExitWatch
from services.master_strategy.trading.exits import Exits
from services.master_strategy.trading.modes import MASTER_MODE, MIRROR_ONLY_MODE
from services.master_strategy.trading.trader import Trader
from shared.bus.master.master_account import MasterRecords
from shared.bus.state.records import Records
from shared.domain.fault import Faults
from shared.runtime.supervision import endless
from shared.strategies.settings import StrategySettings
from shared.strategies.slot import StrategySlot
from shared.venues.port import PublicVenue

_log = structlog.get_logger(__name__)


class Strategies:
    """What trades one account by strategies."""

    def __init__(
        self,
        *,
        venue: PublicVenue,
        slots: Sequence[StrategySlot],
        settings: StrategySettings,
        config: Path | None,
        book: MasterBook,
        mirror: AccountMirror,
        trader: Trader,
        records: Records,
        master: MasterRecords,
        clock: Clock,
        live: bool,
        faults: Faults,
        stops: VenueStops,
    ) -> None:
        self._venue = venue.name
        self._slots = slots
        self._book = book
        self._stops = stops
        exits = Exits(book=book, mirror=mirror, trader=trader, slippage_bps=settings.slippage_bps, stops=stops)
        self._watch = ExitWatch(
            venue=venue.name,
            book=book,
            trader=trader,
            exits=exits,
            records=records,
            master=master,
            clock=clock,
            stops=stops,
        )
        self._cycles = [
            Cycle(
                venue=venue,
                slot=slot,
                runner=open_runner(slot, config=config, budget=settings.budget_seconds, faults=faults),
                settings=settings,
                book=book,
                mirror=mirror,
                trader=trader,
                exits=exits,
                records=master,
                clock=clock,
                live=live,
            )
            for slot in slots
        ]

    def log_start(self) -> None:
        """Log what trades the account, and what is held by strategies that do not."""
        if not self._slots:
            _log.info(
                MIRROR_ONLY_MODE,
                venue=self._venue,
                does="signals what is traded on the account; no strategy, no orders of its own",
            )
        for slot in self._slots:
            _log.info(
                MASTER_MODE,
                venue=self._venue,
                strategy=slot.name,
                does=f"trades with {slot.share:%} of the equity, by candles of {slot.interval_minutes} min",
                symbols=[str(symbol) for symbol in slot.symbols],
            )
        names = {slot.name for slot in self._slots}
        for own in self._book.own.held():
            if own.strategy not in names:
                _log.warning(
                    "a strategy that does not trade this account now still holds something",
                    strategy=own.strategy,
                    holds=str(own.size),
                    sold_by="its exit plan alone" if self._slots and own.plan is not None else "no one",
                )

    async def run(self) -> None:
        """Run everything for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stops.prepare())
            tasks.create_task(endless("the exit plans", self._watch.run()))
            for slot, cycle in zip(self._slots, self._cycles, strict=True):
                tasks.create_task(endless(f"the cycle of {slot.name}", cycle.run()))
