"""How orders trade: what fills at once, what rests, and what a step of the price triggers.

Accounts trade against the market's book, never against one another. A resting limit order fills at its own price, as the
maker, when the price touches or crosses it; a triggered one becomes a market or limit order at the price of that step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from services.paper_exchange.core.events import Change
from services.paper_exchange.core.instrument import ZERO, Side
from services.paper_exchange.core.market.clock import Clock
from services.paper_exchange.core.market.market import OrderBook
from services.paper_exchange.core.market.venue_market import VenueMarket
from services.paper_exchange.core.order import (
    LIMIT_PRICED,
    STOPS,
    TRAILING,
    TRIGGERED,
    Order,
    OrderType,
    Status,
    Ticket,
    TimeInForce,
)
from services.paper_exchange.core.resting import Resting
from services.paper_exchange.core.settlement import Settlement

Fills = list[tuple[Decimal, Decimal]]  # (price, size)


class Matching:
    """The matching of all symbols. `on_closed` is called with every order that ends."""

    def __init__(self, market: VenueMarket, settlement: Settlement, clock: Clock) -> None:
        self._market = market
        self._settlement = settlement
        self._clock = clock
        self._resting: defaultdict[str, Resting] = defaultdict(Resting)
        self._matched: dict[str, int] = {}
        self.on_closed: Callable[[Order], None] = lambda _order: None

    def plan(self, ticket: Ticket, size: Decimal, limit: Decimal | None) -> Fills:
        """Return what an order would take from the book at once. With `size_in_quote`, `size` is the cost to spend."""
        book = self._market.book(ticket.instrument.symbol)
        bound = None if limit is None else book.instrument.ticks_of(limit)
        fills: Fills = []
        left = size
        for price, depth in book.levels(ticket.side, bound):
            wanted = (left / price).quantize(ticket.instrument.lot, ROUND_DOWN) if ticket.size_in_quote else left
            taken = min(wanted, depth)
            if taken:
                fills.append((price, taken))
            left -= taken * price if ticket.size_in_quote else taken
            if taken == wanted:
                break
        return fills

    def crosses(self, ticket: Ticket, limit: Decimal) -> bool:
        """Return whether a limit would trade at once."""
        book = self._market.book(ticket.instrument.symbol)
        ticks = book.instrument.ticks_of(limit)
        return ticks >= book.ask if ticket.side is Side.BUY else ticks <= book.bid

    def execute(self, order: Order, fills: Fills) -> None:
        """Book planned fills as the taker, and close, cancel or rest the order."""
        now = self._clock.now()
        for price, size in fills:
            self._settlement.fill(order, price, size, now, maker=False)
        self.settle(order)

    def settle(self, order: Order) -> None:
        """Close, cancel or rest an order whose immediate trading is over."""
        if order.remaining <= 0:
            self.close(order, Status.CLOSED)
        elif order.ticket.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            self.close(order, Status.CANCELED, "Immediate or cancel order not filled")
        elif order.limit is None and (order.triggered or order.ticket.kind is OrderType.MARKET):
            self.close(order, Status.CANCELED, "No liquidity")
        else:
            self.wait(order)

    def wait(self, order: Order) -> None:
        """Rest an order until its price is reached, with a hold on its funds."""
        self._settlement.rehold(order, self._clock.now())
        resting = self._resting[order.instrument.symbol]
        if order.ticket.kind in TRAILING and not order.triggered:
            resting.trailing[order.id] = order
            return
        armed = order.ticket.kind in TRIGGERED and not order.triggered
        price = order.trigger if armed else order.limit
        assert price is not None  # noqa: S101  # an order without a price never rests
        buying = order.side is Side.BUY
        falling = buying if not armed else buying != (order.ticket.kind in STOPS)
        instrument = self._market.instrument(order.instrument.symbol)
        resting.add(order, instrument.ticks_of(price), falling=falling)
        if order.ticket.bracket_limit is not None and not order.triggered and not order.filled:
            resting.brackets[order.id] = order

    def close(self, order: Order, status: Status, reason: str = "") -> None:
        """End an order."""
        order.status = status
        order.reason = reason
        order.closed_at = self._clock.now()
        self._resting[order.instrument.symbol].discard(order)
        order.account.closed(order)
        order.account.tell(order, Change.ENDED)
        self.on_closed(order)

    def unlist(self, order: Order) -> None:
        """Remove an order from the resting ones, for a change of its prices."""
        self._resting[order.instrument.symbol].discard(order)

    def catch_up(self) -> None:
        """Match every symbol that has resting orders with the market's steps since the last call."""
        for symbol, resting in list(self._resting.items()):
            if len(resting):
                self.match(symbol)

    def match(self, symbol: str) -> None:
        """Match one symbol's resting orders with the market's steps since the last call."""
        feed = self._market.feed(symbol)
        if self._matched.get(symbol) == feed.version:
            return
        self._matched[symbol] = feed.version
        low, high = self._market.touched(symbol)
        resting = self._resting.get(symbol)
        if resting is None or not len(resting):
            return
        book = self._market.book(symbol)
        due = list(resting.due(low, high))  # collected before orders are added that this range must not reach
        self._trail(list(resting.trailing.values()), low, high)
        self._stop_brackets(list(resting.brackets.values()), low, high)
        for order in due:
            if order.is_open and not order.place:  # an earlier fill may have ended it, or it rests again after its stop
                self._strike(order, book)

    def _strike(self, order: Order, book: OrderBook) -> None:
        if order.ticket.kind in TRIGGERED and not order.triggered:
            self.trigger(order)
            return
        assert order.limit is not None  # noqa: S101  # only limit-priced orders rest untriggered
        self._resting[order.instrument.symbol].brackets.pop(order.id, None)  # a fill on one side ends the other
        size = min(order.remaining, book.touch_size(book.instrument.ticks_of(order.limit)) or order.remaining)
        self._settlement.fill(order, order.limit, size, self._clock.now(), maker=True)
        self.settle(order)

    def trigger(self, order: Order) -> None:
        """Turn a triggered order into its market or limit order."""
        order.triggered = True
        ticket = order.ticket
        if ticket.kind is OrderType.TRAILING_STOP_LIMIT and order.trigger is not None:
            order.limit = ticket.trailing_limit(order.trigger)
        if ticket.kind not in LIMIT_PRICED:
            order.limit = None
        if ticket.bracket_limit is not None:
            order.limit = ticket.bracket_limit
        order.account.tell(order, Change.TRIGGERED)
        fills = self.plan(ticket, order.remaining, order.limit)
        if not self.affordable(order, fills):
            self.close(order, Status.CANCELED, "Insufficient funds")
            return
        self.execute(order, fills)

    def affordable(self, order: Order, fills: Fills) -> bool:
        """Return whether an accepted order can still pay for these fills."""
        if order.side is Side.SELL and not order.ticket.leverage:
            return True
        now = self._clock.now()
        cost = sum((price * size for price, size in fills), ZERO)
        asset, amount = self._settlement.need(order.account, order.ticket, Decimal(1), cost, now)
        return amount <= order.account.available(asset, now) + order.held

    def _stop_brackets(self, orders: list[Order], low: int, high: int) -> None:
        """Trigger the brackets whose stop the range reaches; if it reaches the limit too, the stop counts, the worse one."""
        for order in orders:
            assert order.trigger is not None  # noqa: S101  # a bracket has both prices
            stop = self._market.instrument(order.instrument.symbol).ticks_of(order.trigger)
            if (low <= stop) if order.side is Side.SELL else (high >= stop):
                self.unlist(order)
                self.trigger(order)

    def _trail(self, orders: list[Order], low: int, high: int) -> None:
        for order in orders:
            instrument = self._market.instrument(order.instrument.symbol)
            best, trigger = order.best_seen, order.trigger
            if best is None or trigger is None:
                continue
            falling = order.side is Side.SELL
            if (low <= instrument.ticks_of(trigger)) if falling else (high >= instrument.ticks_of(trigger)):
                self._resting[order.instrument.symbol].discard(order)
                self.trigger(order)
                continue
            order.best_seen = max(best, instrument.price_at(high)) if falling else min(best, instrument.price_at(low))
            order.trigger = order.ticket.trailing_stop(order.best_seen)
