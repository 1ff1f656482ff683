"""Follows the master's resting limit orders, whatever placed them, and emits what happens to each: placed, amended, ended.

Only while a user mirrors orders: then the open orders are listed with each look at the account, and a stream tells sooner
(`seen`). Each version is emitted once, whatever shows it; what was emitted is read back after a restart. An order that had
filled before it was first seen is not emitted: its fills are signals, as always.

It must never take an order for ended because a list does not show it, nor emit a user's copy as an order of the master.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from dataclasses import replace
from typing import Final

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.trading.own_order import is_own_id
from shared.bus.master.master_orders import MasterOrderLog
from shared.bus.ownership.lease import Lease
from shared.domain.mirror import MasterAction, MasterOrder, mirror_id
from shared.domain.order import Side
from shared.domain.values.money import ONE
from shared.domain.values.symbol import Symbol
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import OrderList, TradeKind, Venue, VenueOrder, VenueOrderStatus

_LEASE_NEEDED: Final = 1.0  # seconds left of the lease when an event is emitted
_REMEMBERED: Final = 10_000
_COMPARED_LATELY: Final = 30.0
"""Seconds for which a comparison of all open orders counts; while a user mirrors, one is made every 12 s."""

_log = structlog.get_logger(__name__)


class RestingOrders:
    """The resting orders of one account under one lease. `currency` is the one in which it is copied."""

    def __init__(
        self,
        *,
        log: MasterOrderLog | None,
        venue: Venue,
        lease: Lease,
        book: MasterBook,
        mirror: AccountMirror,
        copies: OwnCopies,
        clock: Clock,
        currency: str,
        name: str = "",
        symbols: Collection[Symbol] = (),
    ) -> None:
        """`name` is the master's, on each order; empty where it has none but its venue's. Without a `log` nothing is emitted: the
        orders of a further account at a venue are copied by their fills alone. Purchases in other symbols than `symbols` are left
        out, if there are any.
        """
        self._symbols = frozenset(symbols)
        self._name = name
        self._orders = log
        self._venue = venue
        self._lease = lease
        self._book = book
        self._mirror = mirror
        self._copies = copies
        self._clock = clock
        self._currency = currency
        self._known: dict[str, MasterOrder] | None = None
        self._passed_over: dict[str, None] = {}
        """Orders that had filled before they were seen, and users' copies."""
        self._heard: asyncio.Queue[tuple[VenueOrder, bool]] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()
        self._compared_at = -math.inf
        """Steady instant of the last comparison of all open orders."""

    async def wanted(self) -> bool:
        """Return whether the open orders must be compared: a user mirrors them, or one that was emitted has not ended."""
        if self._orders is None:
            return False
        return bool(await self._load()) or await self._orders.mirroring() > 0

    async def compare(self, opened: OrderList) -> None:
        """Compare a list of the account's open orders with what was emitted. Raises what the venue and the bus raise."""
        begun, compared_at = self._clock.earliest(), self._clock.steady()
        known = set(await self._load())
        for order in opened:
            if order.venue_order_id in known:
                await self._note(order)
        listed = {order.venue_order_id for order in opened} | {row.row_id for row in opened.left_out}
        for order_id in known - listed:
            try:
                await self._note(await self._venue.order(order_id))
            except Rejected as error:
                if error.refusal is not Refusal.GONE:
                    raise
                _log.warning("an order is neither open nor shown", master_order_id=order_id)
        if self._orders is not None:
            await self._orders.seen(
                begun
            )  # before a new one: users place nothing for a master whose orders are not seen
        self._compared_at = compared_at
        for order in opened:
            if order.venue_order_id not in known:
                await self._note(order)

    def seen(self, order: VenueOrder, *, whole: bool) -> None:
        """Note an order that a stream has shown; `whole`: its sums are proven. Never raises; `run` handles it."""
        self._heard.put_nowait((order, whole))

    async def run(self) -> None:
        """Handle what a stream shows, for ever. Raises LeaseLost, BusUnavailable, and Rejected for a refused key."""
        while True:
            order, whole = await self._heard.get()
            known = order.venue_order_id in await self._load()
            ended = order.status is VenueOrderStatus.DONE
            if (ended and not known) or not await self.wanted():
                continue
            try:
                if self._clock.steady() - self._compared_at > _COMPARED_LATELY:
                    await self.compare(await self._venue.open_orders())
                # A stream need not say what was asked for, and a change of it only in part.
                await self._note(order if ended and whole else await self._venue.order(order.venue_order_id))
            except (Unavailable, OutcomeUnknown) as failure:  # the next scan compares it
                _log.info("an order that a stream has shown could not be read", words=str(failure))
            except Rejected as refused:
                if refused.refusal in KEY_REFUSALS:
                    raise

    async def _load(self) -> dict[str, MasterOrder]:
        if self._known is None:
            self._known = await self._orders.known() if self._orders is not None else {}
        return self._known

    async def _note(self, order: VenueOrder) -> None:
        async with self._one_at_a_time:
            known = (await self._load()).get(order.venue_order_id)
            if known is None:
                # One that has ended may be called open while its sums may rise: it rests no more.
                rests = order.status is VenueOrderStatus.OPEN and order.closed_at is None
                if rests and (placed := await self._placed(order)) is not None:
                    await self._emit(placed)
                return
            changed = replace(
                known,
                size=order.size or known.size,
                limit_price=order.limit_price or known.limit_price,
                filled=order.filled if known.filled <= order.filled else known.filled,
            )
            if order.status is VenueOrderStatus.DONE:
                await self._emit(self._next(changed, MasterAction.ENDED))
            elif changed != known:
                await self._emit(self._next(changed, MasterAction.AMENDED))

    def _next(self, order: MasterOrder, action: MasterAction) -> MasterOrder:
        now = self._clock.now()
        return replace(order, version=order.version + 1, action=action, seen_at=now, emitted_at=now)

    async def _placed(self, order: VenueOrder) -> MasterOrder | None:
        """Return the first version of an order that can be mirrored; None for every other one."""
        order_id = order.venue_order_id
        if order_id in self._passed_over or is_own_id(order.client_order_id):
            return None
        if not order.rests or order.size is None or order.limit_price is None or order.trade is not TradeKind.SPOT:
            return None
        if order.symbol.quote != self._currency:
            return None
        if self._symbols and order.side is Side.BUY and order.symbol not in self._symbols:
            return None
        if order.filled.amount > 0:
            self._pass_over(order)
            return None
        owner = await self._copies.owner(order.client_order_id, self._book.recent) if order.client_order_id else ""
        if owner:
            await self._copies.stop(owner, order.client_order_id)
            self._pass_over(order)
            return None
        fraction = None
        if order.side is Side.SELL:
            held = self._book.size_of(order.symbol.base).amount
            if held <= 0:
                return None  # nothing that users could hold; looked at again, since a purchase may be on its way
            fraction = min(order.size.amount / held, ONE)
        now = self._clock.now()
        return MasterOrder(
            id=mirror_id(self._venue.name, order_id),
            venue=self._venue.name,
            master_order_id=order_id,
            version=1,
            action=MasterAction.PLACED,
            symbol=order.symbol,
            side=order.side,
            size=order.size,
            limit_price=order.limit_price,
            post_only=order.post_only,
            filled=order.filled,
            fraction=fraction,
            master_equity=self._mirror.equity,
            seen_at=now,
            emitted_at=now,
            equity_reason=self._mirror.equity_reason,
            master=self._name,
        )

    def _pass_over(self, order: VenueOrder) -> None:
        while len(self._passed_over) >= _REMEMBERED:
            del self._passed_over[next(iter(self._passed_over))]
        self._passed_over[order.venue_order_id] = None

    async def _emit(self, order: MasterOrder) -> None:
        if self._orders is None:
            return
        self._lease.require(_LEASE_NEEDED)
        entry_id = await self._orders.emit(order)
        known = await self._load()
        if order.action is MasterAction.ENDED:
            known.pop(order.master_order_id, None)
        else:
            placed = order.placed_entry or await self._orders.placed_entry(order.master_order_id)
            known[order.master_order_id] = replace(order, placed_entry=placed)
        _log.info(
            "resting order emitted" if entry_id else "resting order had been emitted before",
            signal_id=order.id,
            entry_id=entry_id,
            master_order_id=order.master_order_id,
            action=order.action,
            version=order.version,
            symbol=str(order.symbol),
            side=order.side.value,
            size=str(order.size),
            limit_price=str(order.limit_price),
            filled=str(order.filled),
        )
