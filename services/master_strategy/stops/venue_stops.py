"""Keeps a stop at the venue beside each position with an exit plan (`stop_at_venue`): places it, and another one as it rises.

The exit plan acts by the published price as it does without it, and cancels the stop first. What must never happen here: a second
stop beside one whose end is not proved, a stop for more than the strategy holds, or a stop that is lowered.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.stops.resting_stops import RestingStops
from services.master_strategy.trading.modes import MASTER_MODE
from services.master_strategy.trading.own_order import OwnOrder, is_own_id
from services.master_strategy.trading.trader import Trader
from shared.bus.order.orders import OrderStore
from shared.domain.order import TERMINAL, Side
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.own_position import OwnPosition
from shared.venues.errors import VenueError
from shared.venues.port import Venue, VenueOrder, VenueOrderStatus

_AGAIN_AFTER_MS: Final = 15_000
"""Between two stops of a position: a trail that rises all the time must not use up the account's calls."""
_AFTER_WITHDRAWAL_MS: Final = 5_000
"""For this long after something else wanted to sell the position there is no new stop: the sale comes first."""
_RAISED_BY: Final = Decimal("1.001")
"""A stop is replaced once its price has risen by this factor: meanwhile the plan acts at the higher price by itself."""
_PREPARE_AGAIN: Final = 15.0
_RIGHT_AGAIN: Final = 600.0
"""Seconds until the venue is asked again, and until a key that may not cancel is."""
_LIMIT_BPS: Final = Decimal(-200)
"""How far below the stop price its limit is, where a venue has no stop at market."""

_log = structlog.get_logger(__name__)
_Key = tuple[str, Symbol]


@dataclass(frozen=True, slots=True)
class _Wanted:
    size: Quantity
    stop: Price
    limit: Price | None


class VenueStops:
    """The stops of one session's positions. With `enabled` False it places none, and what rests is cancelled."""

    def __init__(
        self,
        *,
        venue: Venue,
        book: MasterBook,
        mirror: AccountMirror,
        trader: Trader,
        store: OrderStore,
        stops: RestingStops,
        clock: Clock,
        enabled: bool,
    ) -> None:
        self._venue = venue
        self._book = book
        self._mirror = mirror
        self._trader = trader
        self._store = store
        self._stops = stops
        self._clock = clock
        self._enabled = enabled
        self._not_before: dict[_Key, int] = {}
        self._ready = False
        """Whether stops may be placed: the key can cancel them, and no forgotten one locks coins."""

    async def prepare(self) -> None:
        """Find out whether stops may be placed, and return then. Runs beside everything else: exits do not wait for the venue.

        Raises BusUnavailable.
        """
        logged = ""
        while self._enabled and not self._ready:
            try:
                why, again = "", _PREPARE_AGAIN
                if not await self._venue.may_cancel():
                    why, again = "the API key may not cancel orders", _RIGHT_AGAIN
                else:
                    await self._cancel_forgotten()
                    self._ready = True
            except VenueError as error:
                why = str(error)
            if why and why != logged:
                _log.warning("no stop rests at the venue", venue=self._venue.name, why=why)
                logged = why
            if why:
                await self._clock.sleep(again)

    def withdraw(self, strategy: str, symbol: Symbol) -> bool:
        """Have a position's stop cancelled because something else sells it; return whether it still rests."""
        rests = self._stops.withdraw(strategy, symbol)
        if rests:
            self._not_before[strategy, symbol] = self._clock.now() + _AFTER_WITHDRAWAL_MS
        return rests

    def keep(self, own: OwnPosition, price: Price) -> None:
        """Have the stop of a position rest that its plan asks for; `price` is fresh, and nothing is due at it."""
        if not self._enabled:
            return
        key = (own.strategy, own.symbol)
        wanted, resting = self._wanted(own), self._stops.of(*key)
        for watch in resting:
            if wanted is None or not _serves(watch.own, wanted, alone=len(resting) == 1):
                watch.withdraw()
        if wanted is None or resting or not self._may_place(key, wanted, price):
            return
        self._not_before[key] = self._clock.now() + _AGAIN_AFTER_MS
        sent = self._trader.start_stop(own, wanted.size, wanted.stop, wanted.limit)
        _log.info(
            MASTER_MODE,
            does="stop at the venue",
            strategy=own.strategy,
            symbol=str(own.symbol),
            size=str(wanted.size),
            stop=str(wanted.stop),
            order_id=sent.id,
        )

    def withdraw_orphans(self) -> None:
        """Have the stops cancelled whose position is gone or has no plan any more."""
        for watch in self._stops.all():
            own = self._book.own.position(watch.own.strategy, watch.own.symbol)
            if self._wanted(own) is None:
                watch.withdraw()

    def _may_place(self, key: _Key, wanted: _Wanted, price: Price) -> bool:
        if not self._ready or price.amount <= wanted.stop.amount or not self._trader.available(key[1]):
            return False
        return self._clock.now() >= self._not_before.get(key, 0)

    def _wanted(self, own: OwnPosition) -> _Wanted | None:
        """Return the stop that a position asks for; None without a plan, or if the venue would not take it."""
        instrument = self._mirror.instruments.get(own.symbol)
        if own.plan is None or instrument is None:
            return None
        stop = Price(own.plan.stop, own.symbol).floored(instrument.tick)
        size = own.size.floored(instrument.lot_step)
        if stop.amount <= 0 or instrument.below_minimum(size, stop):
            return None
        limit = None if self._venue.stops_at_market else stop.shifted(_LIMIT_BPS).floored(instrument.tick)
        return None if limit is not None and limit.amount <= 0 else _Wanted(size, stop, limit)

    async def _cancel_forgotten(self) -> None:
        """Cancel own sales that rest at the venue and that no record knows: Redis has lost it, or an operator stated its end.

        Such a stop would lock coins that nothing here reckons with. What it has filled is emitted like any fill.
        """
        for order in await self._venue.open_orders():
            if not await self._is_forgotten(order):
                continue
            _log.warning("a stop that no record knows is cancelled", order_id=order.client_order_id)
            await self._venue.cancel(order)

    async def _is_forgotten(self, order: VenueOrder) -> bool:
        if order.side is not Side.SELL or order.status is not VenueOrderStatus.OPEN or order.closed_at is not None:
            return False
        if not is_own_id(order.client_order_id) or self._stops.knows(order):
            return False
        state = (await self._store.load(order.client_order_id)).get("state", "")
        return not state or state in {str(each) for each in TERMINAL}


def _serves(own: OwnOrder, wanted: _Wanted, *, alone: bool) -> bool:
    """Return whether a resting stop is still right: for all that is held, and not much below the plan's."""
    if not alone or own.stop_price is None or own.size != wanted.size:
        return False
    return wanted.stop.amount < own.stop_price.amount * _RAISED_BY
