"""How an accepted order enters the market: at once or at its start time, whole or, with a fault, in part."""

from __future__ import annotations

from decimal import Decimal

from services.paper_exchange.core.events import Change
from services.paper_exchange.core.faults import VenueFaults
from services.paper_exchange.core.instrument import ZERO, Side
from services.paper_exchange.core.market.clock import Clock
from services.paper_exchange.core.matching import Fills, Matching
from services.paper_exchange.core.order import TRIGGERED, Order, Status, TimeInForce
from services.paper_exchange.core.settlement import Settlement
from services.paper_exchange.core.timers import Timers


class OrderIntake:
    """The first step of every order, and the timers that start and expire orders."""

    def __init__(
        self, clock: Clock, matching: Matching, settlement: Settlement, timers: Timers, faults: VenueFaults, method: str
    ) -> None:
        self._clock = clock
        self._matching = matching
        self._settlement = settlement
        self._timers = timers
        self._faults = faults
        self._method = method
        """The venue's name of the call that places an order."""

    def admit(self, order: Order) -> None:
        """Execute a new order, rest it in the book, or hold it until its start time."""
        now = self._clock.now()
        self._schedule(order)
        if self._faults.armed:
            hidden = self._faults.effect(
                "order_invisible_for_3s", order.account.user, self._method, order.instrument.symbol
            )
            order.visible_from = now + hidden.seconds if hidden is not None else 0.0
        if order.ticket.starts_at > now:
            order.status = Status.PENDING
            self._settlement.rehold(order, now)
        else:
            self._enter(order)

    def _schedule(self, order: Order) -> None:
        ticket = order.ticket
        if ticket.starts_at > order.accepted_at:
            self._timers.at(ticket.starts_at, lambda: self._start(order))
        if ticket.expires_at > 0:
            self._timers.at(ticket.expires_at, lambda: self._expire(order))

    def _start(self, order: Order) -> None:
        if order.status is Status.PENDING:
            order.status = Status.OPEN
            self._enter(order)

    def _expire(self, order: Order) -> None:
        if order.is_open:
            self._matching.close(order, Status.EXPIRED, "Order expired")

    def _enter(self, order: Order) -> None:
        ticket = order.ticket
        order.account.tell(order, Change.ENTERED)
        if ticket.kind in TRIGGERED:
            self._matching.wait(order)
            return
        size = ticket.size if ticket.size_in_quote else order.size
        fills = self._matching.plan(ticket, size, order.limit) if self._takes(order) else []
        if ticket.time_in_force is TimeInForce.FOK and sum((taken for _, taken in fills), ZERO) < order.size:
            fills = []
        if fills and not self._prevent_self_trade(order, fills):
            return
        if self._faults.armed and self._partial(order, fills):
            return
        self._matching.execute(order, fills)

    def _takes(self, order: Order) -> bool:
        return order.limit is None or self._matching.crosses(order.ticket, order.limit)

    def _prevent_self_trade(self, order: Order, fills: Fills) -> bool:
        """Prevent a trade with a resting order of the same account. Return whether the new order may continue."""
        worst = fills[-1][0]
        buying = order.side is Side.BUY
        met = [
            other
            for other in order.account.open_orders.values()
            if other is not order and other.side is not order.side and other.limit is not None
            and other.instrument.symbol == order.instrument.symbol
            and (other.ticket.kind not in TRIGGERED or other.triggered)
            and (other.limit <= worst if buying else other.limit >= worst)
        ]  # fmt: skip
        if not met:
            return True
        rule = order.ticket.self_trade
        if rule != "cancel-newest":
            for other in met:
                self._matching.close(other, Status.CANCELED, "Self trade prevention")
        if rule == "cancel-oldest":
            return True
        self._matching.close(order, Status.CANCELED, "Self trade prevention")
        return False

    def _partial(self, order: Order, fills: Fills) -> bool:
        """Fill only a part if a fault is armed for it, never of a fill-or-kill order. Return whether that happened."""
        if order.ticket.time_in_force is TimeInForce.FOK:
            return False
        user, symbol = order.account.user, order.instrument.symbol
        ending = self._faults.effect("partial_fill_then_cancel", user, self._method, symbol)
        switch = ending or self._faults.effect("partial_fill", user, self._method, symbol)
        if switch is None:
            return False
        part = order.instrument.floor_size(order.size * Decimal(str(switch.fraction)))
        now = self._clock.now()
        price = fills[0][0] if fills else order.limit
        assert price is not None  # noqa: S101  # a market order always has fills here, or was denied
        self._settlement.fill(order, price, part, now, maker=not fills)
        if ending is not None:
            self._matching.close(order, Status.CANCELED, "Order canceled by the venue")
        elif order.ticket.time_in_force is TimeInForce.IOC:
            self._matching.settle(order)
        else:
            self._settlement.rehold(order, now)
            self._timers.at(now + switch.seconds, lambda: self._resume(order))
        return True

    def _resume(self, order: Order) -> None:
        if not order.is_open:
            return
        left = order.remaining
        if order.ticket.size_in_quote:
            left = max(ZERO, order.ticket.size - order.cost)
        fills = self._matching.plan(order.ticket, left, order.limit) if self._takes(order) else []
        if order.ticket.size_in_quote:  # the price has moved: what is left buys another amount
            order.size = order.filled + sum((taken for _, taken in fills), ZERO)
        if self._matching.affordable(order, fills):
            self._matching.execute(order, fills)
        else:
            self._matching.close(order, Status.CANCELED, "Insufficient funds")
