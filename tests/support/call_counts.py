"""What a user's copied orders cost in private calls, by the journal of the paper exchange: for scenarios and benches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.paper_control import WORDS, PaperControl


@dataclass(frozen=True, slots=True)
class CallCount:
    """The private calls of one user's keys in a while, and the orders that the exchange took in it."""

    by_method: Mapping[str, int]
    orders: int

    @property
    def total(self) -> int:
        """Return how many calls it was."""
        return sum(self.by_method.values())

    @property
    def per_order(self) -> float:
        """Return the calls for each order that the exchange took. Raises ZeroDivisionError if it took none."""
        return self.total / self.orders

    def __str__(self) -> str:
        calls = ", ".join(
            f"{name} {count}" for name, count in sorted(self.by_method.items(), key=lambda each: -each[1])
        )
        return f"{self.total} private calls for {self.orders} orders: {calls}"


class CallCounter:
    """Counts from where it was made, or from the last `reset`: the journal of the exchange has no clock to go by."""

    def __init__(self, exchange: PaperControl, user: str, venue: str = "kraken") -> None:
        self._exchange = exchange
        self._user = user
        self._places = WORDS[venue].places
        self._before = 0
        self._orders_before = 0
        self.reset()

    def reset(self) -> None:
        """Count from here."""
        self._before = len(self._exchange.requests_of(self._user))
        self._orders_before = len(self._exchange.venue_orders(self._user))

    def count(self) -> CallCount:
        """Return what was called since, and the orders."""
        rows = self._exchange.requests_of(self._user)[self._before :]
        orders = len(self._exchange.venue_orders(self._user)) - self._orders_before
        return CallCount(Counter(str(row["method"]) for row in rows), orders)
