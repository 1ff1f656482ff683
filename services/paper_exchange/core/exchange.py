"""The exchange: accounts and the operations on orders, in venue-neutral terms.

Everything runs in one event loop without awaiting, so a call is atomic. Each request first calls `catch_up`, which advances
timers and the market to now. The market does not move until the next request, and an order never trades at a price from before
its arrival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.events import Change
from services.paper_exchange.core.faults import ArmedFaults, VenueFaults
from services.paper_exchange.core.fees import FeeSchedule
from services.paper_exchange.core.ids import Ids
from services.paper_exchange.core.instrument import ZERO, Instrument, Side
from services.paper_exchange.core.journal import Journal
from services.paper_exchange.core.market.clock import Clock
from services.paper_exchange.core.market.market import Market
from services.paper_exchange.core.market.venue_market import VenueMarket
from services.paper_exchange.core.matching import Matching
from services.paper_exchange.core.order import TRAILING, TRIGGERED, Distance, Order, OrderType, Status, Ticket
from services.paper_exchange.core.order_intake import OrderIntake
from services.paper_exchange.core.rules import Rules
from services.paper_exchange.core.settlement import Settlement
from services.paper_exchange.core.timers import Timers


@dataclass(slots=True)
class Amendment:
    """The changes of an open order; None changes nothing."""

    size: Decimal | None = None
    limit: Decimal | None = None
    trigger: Decimal | None = None
    trail: Distance | None = None
    post_only: bool = False


@dataclass(frozen=True, slots=True)
class VenueKind:
    """What differs between two venues over one market: name, instruments, fees, ids, and how the market looks there."""

    name: str
    order_method: str
    """The venue's name of the call that places an order."""
    instruments: dict[str, Instrument]
    fees: FeeSchedule
    ids: Ids
    market: VenueMarket
    book_caps: Mapping[str, int]
    """How many open orders per pair an account may have, by tier; no cap for other tiers."""


class SharedState:
    """What the venues over one market share. `renamed` has the new name of an asset by its old one."""

    def __init__(self, clock: Clock) -> None:
        self.venues: list[Exchange] = []
        self.faults = ArmedFaults(clock)
        self.journal = Journal()
        self.timers = Timers(clock)
        self.accounts: dict[tuple[str, str], Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.renamed: dict[str, str] = {}
        self.caught_up = -1


class Exchange:
    """One venue's state, in memory. `beside` another one it shares the market, accounts, keys, journal, faults and timers."""

    def __init__(self, clock: Clock, market: Market, kind: VenueKind, *, beside: Exchange | None = None) -> None:
        self.clock = clock
        self.market = market
        self.kind = kind
        self.view = kind.market
        self.shared: SharedState = SharedState(clock) if beside is None else beside.shared
        shared = self.shared
        shared.venues.append(self)
        self.venues: Sequence[Exchange] = shared.venues
        """All venues over this market, this one included."""
        self.faults, self.journal, self.timers = shared.faults, shared.journal, shared.timers
        self.accounts, self.keys, self.renamed = shared.accounts, shared.keys, shared.renamed
        at_venue = VenueFaults(self.faults, kind.name)
        self.rules = Rules(kind.instruments, at_venue)
        self.ids = kind.ids
        self.settlement = Settlement(kind.fees, self.ids, at_venue)
        self.matching = Matching(self.view, self.settlement, clock)
        self.matching.on_closed = self._place_conditional_close
        self.intake = OrderIntake(clock, self.matching, self.settlement, self.timers, at_venue, kind.order_method)

    def catch_up(self) -> None:
        """Advance timers and the market to now, at every venue."""
        self.market.tick()
        self.timers.run()
        second = int(self.market.now)
        if second != self.shared.caught_up:
            self.shared.caught_up = second
            for venue in self.venues:
                venue.matching.catch_up()

    def at(self, account: Account) -> Exchange:
        """Return the venue that an account is at."""
        return next((venue for venue in self.venues if venue.kind.name == account.venue), self)

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Set a symbol's price, to the nearest tick; resting orders that it reaches fill. Raises KeyError."""
        self.catch_up()
        self.market.feed(symbol).set_price(price)
        for venue in self.venues:
            venue.matching.catch_up()

    def place(self, account: Account, ticket: Ticket, *, parent: str = "") -> Order | Denial:
        """Accept an order and let it trade. Return the order, or why it is rejected."""
        symbol = ticket.instrument.symbol
        self.matching.match(symbol)
        size = self.base_size(ticket)
        denial = self.check(account, ticket, size)
        if denial is not None:
            return denial
        now = self.clock.now()
        order = Order(self.ids.make("O"), account, ticket, size, ticket.limit, ticket.trigger, now, parent=parent)
        if ticket.kind in TRAILING:
            order.best_seen = self.view.last(symbol)
        self.journal.orders.append(order)
        account.opened(order)
        self.intake.admit(order)
        return order

    def base_size(self, ticket: Ticket) -> Decimal:
        """Return an order's size in base: if it is given in quote, what that buys or sells now."""
        if not ticket.size_in_quote:
            return ticket.size
        return sum((taken for _, taken in self.matching.plan(ticket, ticket.size, None)), ZERO)

    def fail(self, account: Account, ticket: Ticket, reason: str) -> Order:
        """Accept an order and end it without a trade, as a venue does that finds out later that it cannot be traded."""
        order = Order(self.ids.make("O"), account, ticket, ticket.size, ticket.limit, ticket.trigger, self.clock.now())
        self.journal.orders.append(order)
        account.opened(order)
        self.matching.close(order, Status.CANCELED, reason)
        return order

    def cancel(self, order: Order, reason: str = "User requested", status: Status = Status.CANCELED) -> Denial | None:
        """Cancel an open order."""
        if not order.is_open:
            return Denial.UNKNOWN_ORDER
        if self.faults.armed and self._strikes_cancel(order):
            price = order.limit or self.view.last(order.instrument.symbol)
            if self.matching.affordable(order, [(price, order.remaining)]):
                self.settlement.fill(order, price, order.remaining, self.clock.now(), maker=True)
                self.matching.settle(order)
                return Denial.UNKNOWN_ORDER
        self.matching.close(order, status, reason)
        return None

    def amend(self, order: Order, change: Amendment) -> Denial | None:
        """Change an open order in place. A new size below what is filled cancels the remainder."""
        if order.limit is None and (order.ticket.kind is OrderType.MARKET or order.triggered):
            return Denial.NOTHING_TO_AMEND  # already trading at market: its funds were checked for its original size
        denial = self.check_amendment(order, change)
        if denial is not None:
            return denial
        self.matching.unlist(order)
        if change.size is not None:
            order.size = max(change.size, order.filled)
        order.limit = order.limit if change.limit is None else change.limit
        order.trigger = order.trigger if change.trigger is None else change.trigger
        if change.trail is not None and order.best_seen is not None:
            order.ticket = replace(order.ticket, trail=change.trail)
            order.trigger = order.ticket.trailing_stop(order.best_seen)
        order.amended_at = self.clock.now()
        order.account.tell(order, Change.AMENDED)
        if order.remaining <= 0:
            self.matching.close(order, Status.CANCELED, "Order quantity amended below filled")
        elif order.status is Status.PENDING:
            self.settlement.rehold(order, order.amended_at)
        elif order.limit is not None and (order.triggered or order.ticket.kind not in TRIGGERED):
            self.matching.execute(order, self.matching.plan(order.ticket, order.remaining, order.limit))
        else:
            self.matching.wait(order)
        return None

    def cancel_all(self, account: Account, reason: str = "User requested") -> int:
        """Cancel every open order of an account. Return how many there were."""
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

    def check(self, account: Account, ticket: Ticket, size: Decimal) -> Denial | None:
        """Return why an order of this size in base would be rejected; None if it would not."""
        if ticket.client_id and any(order.is_open for order in account.by_client_id.get(ticket.client_id, ())):
            return Denial.DUPLICATE_CLIENT_ID
        cap = self.kind.book_caps.get(account.tier)
        if cap is not None and len(account.open_orders) >= cap:
            on_pair = sum(order.instrument.symbol == ticket.instrument.symbol for order in account.open_orders.values())
            if on_pair >= cap:
                return Denial.TOO_MANY_ORDERS
        if ticket.post_only and ticket.limit is not None and self.matching.crosses(ticket, ticket.limit):
            return Denial.WOULD_CROSS
        return self._check_funds(account, ticket, size)

    def _check_funds(self, account: Account, ticket: Ticket, size: Decimal) -> Denial | None:
        now = self.clock.now()
        price = ticket.hold_price
        if price is None and (ticket.side is Side.BUY or ticket.leverage):
            fills = self.matching.plan(ticket, ticket.size, None)
            cost = sum((level * taken for level, taken in fills), ZERO)
            asset, amount = self.settlement.need(account, ticket, Decimal(1), cost, now)
            taken = sum((taken for _, taken in fills), ZERO)
            if taken < size:  # more than the whole book: the rest would cost no less than the last level
                amount *= size / taken if taken else Decimal(1)
        else:
            asset, amount = self.settlement.need(account, ticket, size, price or ZERO, now)
        return Denial.INSUFFICIENT_FUNDS if amount > account.available(asset, now) else None

    def check_amendment(self, order: Order, change: Amendment) -> Denial | None:
        """Return why a change would be rejected; None if it would not."""
        if not order.is_open:
            return Denial.UNKNOWN_ORDER
        if self._misses(order, change):
            return Denial.NOT_AMENDABLE
        size = order.size if change.size is None else change.size
        limit = order.limit if change.limit is None else change.limit
        trigger = order.trigger if change.trigger is None else change.trigger
        if (size, limit, trigger) == (order.size, order.limit, order.trigger) and change.trail is None:
            return Denial.NOTHING_TO_AMEND
        if change.post_only and limit is not None and self.matching.crosses(order.ticket, limit):
            return Denial.WOULD_CROSS
        now = self.clock.now()
        rest = max(ZERO, size - order.filled)
        asset, amount = self.settlement.need(order.account, order.ticket, rest, limit or trigger or ZERO, now)
        if amount > order.account.available(asset, now) + order.held:
            return Denial.INSUFFICIENT_FUNDS
        return None

    def _misses(self, order: Order, change: Amendment) -> bool:
        """Return whether a change concerns a price that the order does not have."""
        return (
            (change.limit is not None and order.limit is None)
            or (change.trigger is not None and (order.trigger is None or order.triggered))
            or (change.trail is not None and order.ticket.trail is None)
        )

    def _strikes_cancel(self, order: Order) -> bool:
        method = "CancelOrder" if self.kind.order_method == "AddOrder" else "CancelOrders"
        user, symbol, name = order.account.user, order.instrument.symbol, self.kind.name
        return self.faults.effect("fill_during_cancel", user, method, symbol, name) is not None

    def _place_conditional_close(self, order: Order) -> None:
        close = order.ticket.conditional_close
        if close is None or not order.filled:
            return
        side = Side.SELL if order.side is Side.BUY else Side.BUY
        limited = close.kind in {OrderType.LIMIT, OrderType.ICEBERG}
        ticket = Ticket(
            order.instrument, side, close.kind, order.filled,
            limit=close.price if limited else close.price2,
            trigger=None if limited else close.price,
            trail=close.trail,
            limit_offset=close.limit_offset,
            trigger_on=order.ticket.trigger_on,
        )  # fmt: skip
        if close.trail is not None:
            ticket.trigger = ticket.trailing_stop(self.view.last(order.instrument.symbol))
            ticket.limit = ticket.trailing_limit(ticket.trigger)
        self.place(order.account, ticket, parent=order.id)
