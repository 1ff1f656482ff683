"""Acts upon the exit plans of positions between candles, by the published prices, also while a strategy is paused or gone.

A price counts while it is fresh and not older than the position's last fill. Missing data sells nothing. A plan that a price has
raised is written every few seconds, and with every fill.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.stops.venue_stops import VenueStops
from services.master_strategy.trading.exits import Exits
from services.master_strategy.trading.modes import MASTER_MODE
from services.master_strategy.trading.trader import Trader
from shared.bus.master.master_account import MasterRecords
from shared.bus.state.records import Records
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import DueExit, ExitPlan
from shared.strategies.own_position import OwnPosition
from shared.strategies.port import Exit

_EVERY: Final = 1.0
STALE_MS: Final = 30_000
"""A price older than this sells nothing; as long as for users' own exits."""
_WRITE_EVERY_MS: Final = 5_000

_log = structlog.get_logger(__name__)


class ExitWatch:
    """Watches every position that the strategies hold, in one account."""

    def __init__(
        self,
        *,
        venue: str,
        book: MasterBook,
        trader: Trader,
        exits: Exits,
        records: Records,
        master: MasterRecords,
        clock: Clock,
        stops: VenueStops | None = None,
    ) -> None:
        """`stops` are kept at the venue beside the plans."""
        self._stops = stops
        self._venue = venue
        self._book = book
        self._trader = trader
        self._exits = exits
        self._records = records
        self._master = master
        self._clock = clock
        self._written_at: dict[tuple[str, Symbol], int] = {}
        self._logged: dict[tuple[str, Symbol], str] = {}

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(_EVERY)

    async def look(self) -> None:
        """Look once at every position with a plan, and sell what is due. Raises LeaseLost, BusUnavailable."""
        self._exits.settle_owed()
        planned = [own for own in self._book.own.held() if own.plan is not None]
        prices = await self._records.prices_of(self._venue, list({own.symbol for own in planned}))
        for own in planned:
            price, at = prices.get(own.symbol) or (None, 0)
            if price is None or not self._is_usable(own, at):
                self._note_no_price(own, at)
            elif own.symbol not in self._book.under_way:  # its fill changes the plan
                await self._follow(own, price)
        if self._stops is not None:
            self._stops.withdraw_orphans()

    async def _follow(self, own: OwnPosition, price: Price) -> None:
        if own.plan is None:
            return
        raised = own.plan.after_price(price.amount)
        if raised != own.plan:
            await self._change_plan(own, raised)
        due = raised.due(price.amount)
        current = self._book.own.position(own.strategy, own.symbol)
        if due is None:
            self._logged.pop((own.strategy, own.symbol), None)
            if self._stops is not None and current.plan == raised and not self._is_owed(own):
                self._stops.keep(current, price)
            return
        if current.plan != raised or not self._trader.available(own.symbol):
            return  # traded meanwhile, or just refused: the next look decides again
        skip = self._exits.sell(current, Exit(own.symbol, due.fraction, due.reason), price, due)
        if isinstance(skip, Skip):
            await self._pass_over(current, due, price, skip)

    def _is_owed(self, own: OwnPosition) -> bool:
        return (own.strategy, own.symbol) in self._exits.owed()

    async def _pass_over(self, own: OwnPosition, due: DueExit, price: Price, skip: Skip) -> None:
        """Let a target that is too small to be sold count as done, so that it moves the stop; a stop stays due."""
        self._log_once(own, f"no order: {skip.reason}: {due.reason}")
        too_small = skip.code is ReasonCode.DUST and not self._trader.refused_for_funds(own.symbol)
        if too_small and due.targets_done and own.plan is not None:
            await self._change_plan(own, own.plan.after_exit(due, price.amount), now=True)

    async def _change_plan(self, own: OwnPosition, plan: ExitPlan, *, now: bool = False) -> None:
        """Replace the plan of a position unless it was traded meanwhile; write it if the last write is a while ago, or `now`."""
        key, at = (own.strategy, own.symbol), self._clock.now()
        async with self._book.own.changing:
            current = self._book.own.position(*key)
            if current != own:
                return
            changed = replace(current, plan=plan)
            self._book.own.put(changed)
            if now or at - self._written_at.get(key, 0) >= _WRITE_EVERY_MS:
                self._written_at[key] = at
                await self._master.write(strategy=[changed])

    def _is_usable(self, own: OwnPosition, at: int) -> bool:
        """Return whether a price of an instant is fresh, and not older than the position's last fill."""
        return self._clock.now() - at <= STALE_MS and at >= own.position.updated_at

    def _note_no_price(self, own: OwnPosition, at: int) -> None:
        """Log that a plan does nothing for want of a price, unless one is only due since the last fill."""
        if self._clock.now() - max(at, own.position.updated_at) > STALE_MS:
            self._log_once(own, "holding: no fresh price, so its exit plan does nothing")

    def _log_once(self, own: OwnPosition, what: str) -> None:
        """Log why a plan does nothing, once per reason."""
        key, kind = (own.strategy, own.symbol), what.partition(":")[0]
        if self._logged.get(key) != kind:
            self._logged[key] = kind
            _log.warning(MASTER_MODE, does=what, strategy=own.strategy, symbol=str(own.symbol))
