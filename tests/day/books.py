"""One account replayed from the exchange's journal: what it had at any instant, by arithmetic of our own.

Also what it had for each master: a purchase belongs to the master whose signal it answers, and a sale may take no more than that.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tests.day.market import Prices

ZERO: Final = Decimal(0)
DUST: Final = Decimal(1)
"""Worth less than this in dollars, what is left is dust."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order that the exchange accepted, with what it traded. Instants in epoch ms."""

    client_id: str
    symbol: str
    buys: bool
    size: Decimal
    limit: Decimal | None
    filled: Decimal
    cost: Decimal
    accepted_at: int
    trades: Sequence[Mapping[str, Any]]
    venue: str = ""

    @staticmethod
    def read(row: Mapping[str, Any]) -> Order:
        """Read a row of the journal."""
        return Order(
            client_id=str(row["client_order_id"] or ""),
            symbol=str(row["symbol"]),
            buys=row["side"] == "buy",
            size=Decimal(row["size"]),
            limit=Decimal(row["limit_price"]) if row["limit_price"] else None,
            filled=Decimal(row["filled_size"] or 0),
            cost=Decimal(row["cost"] or 0),
            accepted_at=int(row["accepted_at"]),
            trades=row["trades"],
            venue=str(row["venue"]),
        )


@dataclass(frozen=True, slots=True)
class Book:
    """What is held of a symbol for one master."""

    size: Decimal = ZERO
    paid: Decimal = ZERO
    """What it has cost, fees included."""
    opened_at: int = 0


@dataclass(slots=True)
class State:
    """An account at one instant."""

    cash: Decimal
    held: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    deposited: Decimal = ZERO
    books: dict[tuple[str, str], Book] = field(default_factory=dict)
    """What is held for each master, by symbol and master."""

    def copy(self) -> State:
        """Return one that can be changed."""
        return State(self.cash, defaultdict(Decimal, self.held), self.deposited, dict(self.books))

    def book(self, symbol: str, master: str) -> Book:
        """Return what is held of a symbol for a master."""
        return self.books.get((symbol, master), Book())

    def worth(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Value what is held."""
        return sum((size * prices[symbol] for symbol, size in self.held.items()), ZERO)


class Account:
    """One account's history, and its equity at every instant at which a price was seen."""

    def __init__(
        self,
        cash: Decimal,
        orders: Sequence[Order],
        flows: Sequence[tuple[int, Decimal]],
        masters: Mapping[str, str] | None = None,
    ) -> None:
        """`masters`: the master of each order by its client order id; the main one's of an order that is not in it."""
        self._masters = masters or {}
        self.oversold: list[str] = []
        self.crossed: list[str] = []
        """Sales that took more than was held for their master."""
        self.shared_sales = 0
        """Sales of a symbol that was held for another master as well."""
        self._flows = tuple(flows)
        events: list[tuple[int, int, Any]] = [(at, 0, amount) for at, amount in flows]
        events += [
            (
                int(trade["at"]),
                int(str(trade["trade_id"]).encode().hex(), 16),
                (self._masters.get(order.client_id, ""), trade),
            )
            for order in orders
            for trade in order.trades
        ]
        state = State(cash, deposited=cash)
        self._at, self._states = [0], [state]
        for at, _, event in sorted(events, key=lambda each: each[:2]):
            state = state.copy()
            if isinstance(event, Decimal):
                state.cash += event
                state.deposited += event
            else:
                master, trade = event
                self._trade(state, trade, at)
                self._book(state, master, trade, at)
            self._at.append(at)
            self._states.append(state)
        self._looks: list[int] = []
        self._equities: list[Decimal] = []
        self._counted_at: list[int] = []
        self._dearest: list[Decimal] = []

    def at(self, instant: int) -> State:
        """Return the account as it was after everything up to an instant."""
        return self._states[bisect.bisect_right(self._at, instant) - 1]

    def before(self, instant: int) -> State:
        """Return the account as it was right before an instant."""
        return self._states[max(bisect.bisect_left(self._at, instant) - 1, 0)]

    def value(self, prices: Prices, price_ms: int) -> None:
        """Work out the equity whenever the market was looked at, and the most that a reader of prices of that age may count.

        The latter also at each trade: while the machine is busy, seconds pass between two looks.
        """
        for at in prices.instants():
            self._looks.append(at)
            self._equities.append(self.equity(prices, at))
        for at in prices.all_instants():
            state = self.at(at)
            dearest = {symbol: prices.highest(symbol, at - price_ms, at) for symbol in state.held}
            self._counted_at.append(at)
            self._dearest.append(state.cash + state.worth(dearest))

    def equity(self, prices: Prices, at: int) -> Decimal:
        """Return cash and holdings at market."""
        state = self.at(at)
        return state.cash + state.worth({symbol: prices.at(symbol, at) for symbol in state.held})

    def most(self, since: int, until: int) -> Decimal:
        """Return the highest equity of a span that a reader of the balance at its beginning may have counted.

        Such a reader does not know of a withdrawal since then, and counts that money at later prices of what is held.
        """
        first = max(bisect.bisect_right(self._counted_at, since) - 1, 0)
        last = max(bisect.bisect_right(self._counted_at, until), first + 1)
        return max(
            self._dearest[place] + self._withdrawn(since, self._counted_at[place]) for place in range(first, last)
        )

    def _withdrawn(self, since: int, until: int) -> Decimal:
        return sum((-amount for at, amount in self._flows if amount < 0 and since < at <= until), ZERO)

    def looks(self) -> Sequence[tuple[int, Decimal]]:
        """Return every (instant, equity)."""
        return list(zip(self._looks, self._equities, strict=True))

    def _trade(self, state: State, trade: Mapping[str, Any], at: int) -> None:
        symbol, size, cost = str(trade["symbol"]), Decimal(trade["size"]), Decimal(trade["cost"])
        base = symbol.partition("/")[0]
        fee = Decimal(trade["fee"])
        in_base = trade["fee_asset"] == base
        if trade["side"] == "buy":
            state.held[symbol] += size - (fee if in_base else ZERO)
            state.cash -= cost + (ZERO if in_base else fee)
            return
        had = state.held[symbol]
        if size > had:
            self.oversold.append(f"sold {size} {symbol} at {at} of {had} that was bought")
        state.held[symbol] = had - size
        state.cash += cost - (ZERO if in_base else fee)

    def _book(self, state: State, master: str, trade: Mapping[str, Any], at: int) -> None:
        symbol, size, cost = str(trade["symbol"]), Decimal(trade["size"]), Decimal(trade["cost"])
        fee, in_base = Decimal(trade["fee"]), trade["fee_asset"] == symbol.partition("/")[0]
        had, price = state.book(symbol, master), Decimal(trade["price"])
        if trade["side"] == "buy":
            opened = at if had.size * price < DUST else had.opened_at
            paid = had.paid + cost + (ZERO if in_base else fee)
            state.books[symbol, master] = Book(had.size + size - (fee if in_base else ZERO), paid, opened)
            return
        if size > had.size:
            self.crossed.append(f"sold {size} {symbol} at {at} for {master or 'the main book'}, which had {had.size}")
        others = sum(
            (book.size for (name, other), book in state.books.items() if name == symbol and other != master), ZERO
        )
        self.shared_sales += others * price >= 5 * DUST
        left = max(had.size - size, ZERO)
        state.books[symbol, master] = Book(left, had.paid * left / had.size if had.size else ZERO, had.opened_at)
