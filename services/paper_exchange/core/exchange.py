"""The exchange: accounts and what can be done with orders, in terms that no venue has coined.

Everything runs in one event loop without awaiting, so a call is atomic. Every public call first lets the market and the
timers catch up: an order never trades against a price from before it came.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.clock import Clock
from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.faults import Faults
from services.paper_exchange.core.fees import FeeSchedule
from services.paper_exchange.core.ids import Ids
from services.paper_exchange.core.instrument import ZERO, Instrument, Side
from services.paper_exchange.core.journal import Journal
from services.paper_exchange.core.market import Market
from services.paper_exchange.core.matching import Fills, Matching
from services.paper_exchange.core.order import TRAILING, TRIGGERED, Order, OrderType, Status, Ticket, TimeInForce
from services.paper_exchange.core.rules import Rules
from services.paper_exchange.core.settlement import Settlement
from services.paper_exchange.core.timers import Timers

BOOK_CAPS: Final = {"starter": 60, "intermediate": 80, "pro": 225}  # open orders per pair; no cap for other tiers


@dataclass(slots=True)
class Amendment:
    """What to change of an open order; nothing where None."""

    size: Decimal | None = None
    limit: Decimal | None = None
    trigger: Decimal | None = None
    post_only: bool = False


class Exchange:
    """All state of the venue, in memory."""

    def __init__(
        self, clock: Clock, market: Market, instruments: dict[str, Instrument], fees: FeeSchedule, rng: random.Random
    ) -> None:
        self.clock = clock
        self.market = market
        self.faults = Faults(clock)
        self.rules = Rules(instruments, self.faults)
        self.journal = Journal()
        self.ids = Ids(rng)
        self.accounts: dict[tuple[str, str], Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.timers = Timers(clock)
        self.settlement = Settlement(fees, self.ids, self.faults)
        self.matching = Matching(market, self.settlement, clock)
        self.matching.on_closed = self._follow_up
        self._caught_up = -1

    def catch_up(self) -> None:
        """Let timers and the market come to now."""
        self.timers.run()
        second = int(self.market.clock.now())
        if second != self._caught_up:
            self._caught_up = second
            self.matching.catch_up()

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Put a symbol's price here, to the nearest tick; waiting orders that it reaches fill. Raises KeyError."""
        self.catch_up()
        self.market.feed(symbol).set_price(price)
        self.matching.match(symbol)

    def place(self, account: Account, ticket: Ticket, *, parent: str = "") -> Order | Denial:
        """Accept an order and let it trade, or say why not."""
        symbol = ticket.instrument.symbol
        self.matching.match(symbol)
        size = ticket.size
        if ticket.size_in_quote:
            size = sum((taken for _, taken in self.matching.plan(ticket, size, None)), ZERO)
            size = size or ticket.instrument.lot
        denial = self._check(account, ticket, size)
        if denial is not None:
            return denial
        now = self.clock.now()
        order = Order(self.ids.make("O"), account, ticket, size, ticket.limit, ticket.trigger, now, parent=parent)
        if ticket.kind in TRAILING:
            order.best_seen = self.market.last(symbol)
        self.journal.orders.append(order)
        account.opened(order)
        self._schedule(order)
        if self.faults.armed:
            hidden = self.faults.effect("order_invisible_for_3s", account.user, "AddOrder", symbol)
            order.visible_from = now + hidden.seconds if hidden is not None else 0.0
        if ticket.starts_at > now:
            order.status = Status.PENDING
            self.settlement.rehold(order, now)
        else:
            self._enter(order)
        return order

    def cancel(self, order: Order, reason: str = "User requested", status: Status = Status.CANCELED) -> Denial | None:
        """Cancel an open order."""
        if not order.is_open:
            return Denial.UNKNOWN_ORDER
        if self.faults.armed and self.faults.effect("fill_during_cancel", order.account.user, "CancelOrder"):
            price = order.limit or self.market.last(order.instrument.symbol)
            self.settlement.fill(order, price, order.remaining, self.clock.now(), maker=True)
            self.matching.settle(order)
            return Denial.UNKNOWN_ORDER
        self.matching.close(order, status, reason)
        return None

    def amend(self, order: Order, change: Amendment) -> Denial | None:
        """Change an open order in place. A new size below what is filled cancels the remainder."""
        denial = self._check_amendment(order, change)
        if denial is not None:
            return denial
        self.matching.unlist(order)
        if change.size is not None:
            order.size = max(change.size, order.filled)
        order.limit = order.limit if change.limit is None else change.limit
        order.trigger = order.trigger if change.trigger is None else change.trigger
        order.amended_at = self.clock.now()
        if order.remaining <= 0:
            self.matching.close(order, Status.CANCELED, "Order quantity amended below filled")
        elif order.limit is not None and (order.triggered or order.ticket.kind not in TRIGGERED):
            self.matching.execute(order, self.matching.plan(order.ticket, order.remaining, order.limit))
        else:
            self.matching.wait(order)
        return None

    def cancel_all(self, account: Account, reason: str = "User requested") -> int:
        """Cancel every open order of an account; give how many there were."""
        orders = list(account.open_orders.values())
        for order in orders:
            self.cancel(order, reason)
        return len(orders)

    def cancel_all_after(self, account: Account, seconds: float) -> None:
        """Arm the dead man's switch; 0 disarms."""
        account.cancel_all_at = at = self.clock.now() + seconds if seconds else 0.0
        if seconds:
            self.timers.at(at, lambda: self._dead_man(account, at))

    def _dead_man(self, account: Account, at: float) -> None:
        if account.cancel_all_at == at:
            account.cancel_all_at = 0.0
            self.cancel_all(account, "Cancel all orders after timeout")

    def _check(self, account: Account, ticket: Ticket, size: Decimal) -> Denial | None:
        if ticket.client_id and any(order.is_open for order in account.by_client_id.get(ticket.client_id, ())):
            return Denial.DUPLICATE_CLIENT_ID
        cap = BOOK_CAPS.get(account.tier)
        if cap is not None and len(account.open_orders) >= cap:
            on_pair = sum(order.instrument.symbol == ticket.instrument.symbol for order in account.open_orders.values())
            if on_pair >= cap:
                return Denial.TOO_MANY_ORDERS
        if ticket.post_only and ticket.limit is not None and self.matching.crosses(ticket, ticket.limit):
            return Denial.WOULD_CROSS
        return self._check_funds(account, ticket, size)

    def _check_funds(self, account: Account, ticket: Ticket, size: Decimal) -> Denial | None:
        now = self.clock.now()
        price = ticket.limit or ticket.trigger
        if price is None and ticket.side is Side.BUY:
            fills = self.matching.plan(ticket, ticket.size, None)
            cost = sum((level * taken for level, taken in fills), ZERO)
            asset, amount = self.settlement.need(account, ticket, Decimal(1), cost, now)
            taken = sum((taken for _, taken in fills), ZERO)
            if taken < size:  # more than the whole book: the rest would cost no less than the last level
                amount *= size / taken if taken else Decimal(1)
        else:
            asset, amount = self.settlement.need(account, ticket, size, price or ZERO, now)
        return Denial.INSUFFICIENT_FUNDS if amount > account.available(asset, now) else None

    def _check_amendment(self, order: Order, change: Amendment) -> Denial | None:
        if not order.is_open:
            return Denial.UNKNOWN_ORDER
        if (change.limit is not None and order.limit is None) or (change.trigger is not None and order.trigger is None):
            return Denial.NOT_AMENDABLE
        size = order.size if change.size is None else change.size
        limit = order.limit if change.limit is None else change.limit
        trigger = order.trigger if change.trigger is None else change.trigger
        if (size, limit, trigger) == (order.size, order.limit, order.trigger):
            return Denial.NOTHING_TO_AMEND
        if change.post_only and limit is not None and self.matching.crosses(order.ticket, limit):
            return Denial.WOULD_CROSS
        now = self.clock.now()
        rest = max(ZERO, size - order.filled)
        asset, amount = self.settlement.need(order.account, order.ticket, rest, limit or trigger or ZERO, now)
        if amount > order.account.available(asset, now) + order.held:
            return Denial.INSUFFICIENT_FUNDS
        return None

    def _schedule(self, order: Order) -> None:
        ticket = order.ticket
        if ticket.starts_at > order.accepted_at:
            self.timers.at(ticket.starts_at, lambda: self._start(order))
        if ticket.expires_at > 0:
            self.timers.at(ticket.expires_at, lambda: self._expire(order))

    def _start(self, order: Order) -> None:
        if order.status is Status.PENDING:
            order.status = Status.OPEN
            self._enter(order)

    def _expire(self, order: Order) -> None:
        if order.is_open:
            self.matching.close(order, Status.EXPIRED, "Order expired")

    def _enter(self, order: Order) -> None:
        ticket = order.ticket
        if ticket.kind in TRIGGERED:
            self.matching.wait(order)
            return
        size = ticket.size if ticket.size_in_quote else order.size
        fills = self.matching.plan(ticket, size, order.limit) if self._takes(order) else []
        if ticket.time_in_force is TimeInForce.FOK and sum((taken for _, taken in fills), ZERO) < order.size:
            fills = []
        if fills and not self._prevent_self_trade(order, fills):
            return
        if self.faults.armed and self._partial(order, fills):
            return
        self.matching.execute(order, fills)

    def _takes(self, order: Order) -> bool:
        return order.limit is None or self.matching.crosses(order.ticket, order.limit)

    def _prevent_self_trade(self, order: Order, fills: Fills) -> bool:
        """Keep an order from meeting the same account's resting one; tell whether it may go on."""
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
                self.matching.close(other, Status.CANCELED, "Self trade prevention")
        if rule == "cancel-oldest":
            return True
        self.matching.close(order, Status.CANCELED, "Self trade prevention")
        return False

    def _partial(self, order: Order, fills: Fills) -> bool:
        """Fill only a part where a fault says so; tell whether it did."""
        user, symbol = order.account.user, order.instrument.symbol
        ending = self.faults.effect("partial_fill_then_cancel", user, "AddOrder", symbol)
        switch = ending or self.faults.effect("partial_fill", user, "AddOrder", symbol)
        if switch is None:
            return False
        part = order.instrument.floor_size(order.size * Decimal(str(switch.fraction)))
        now = self.clock.now()
        price = fills[0][0] if fills else order.limit
        assert price is not None  # noqa: S101  # a market order always has fills here, or was denied
        self.settlement.fill(order, price, part, now, maker=not fills)
        if ending is not None:
            self.matching.close(order, Status.CANCELED, "Order canceled by the venue")
        elif order.ticket.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            self.matching.settle(order)
        else:
            self.settlement.rehold(order, now)
            self.timers.at(now + switch.seconds, lambda: self._resume(order))
        return True

    def _resume(self, order: Order) -> None:
        if order.is_open:
            fills = self.matching.plan(order.ticket, order.remaining, order.limit) if self._takes(order) else []
            self.matching.execute(order, fills)

    def _follow_up(self, order: Order) -> None:
        follow = order.ticket.follow
        if follow is None or not order.filled:
            return
        side = Side.SELL if order.side is Side.BUY else Side.BUY
        limited = follow.kind in {OrderType.LIMIT, OrderType.ICEBERG}
        ticket = Ticket(
            order.instrument, side, follow.kind, order.filled,
            limit=follow.price if limited else follow.price2,
            trigger=None if limited else follow.price,
        )  # fmt: skip
        self.place(order.account, ticket, parent=order.id)
