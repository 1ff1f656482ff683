"""One line of the table: somebody carried signals to so many users, and this is what each round took."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.rounds import Round


@dataclass(frozen=True, slots=True)
class Row:
    """Times in ms from the signal to the last user's accepted order, a round each."""

    name: str
    users: int
    delay_ms: float
    entries: tuple[float, ...]
    exits: tuple[float, ...] = ()
    firsts: tuple[float, ...] = ()
    """The same to the first accepted order, of the entries."""
    connections: int = 0
    """The fewest over which the orders of an entry came."""
    unfairness: float = 0.0
    """How far from the middle (0.5) any user's mean place over all rounds is; a place is 0 for the first, 1 for the last."""
    signals: int = 1
    """How many were on their way at once; the times are the last one's."""
    facts: dict[str, float] = field(default_factory=dict)
    """What else was measured meanwhile, each with its unit in its name."""

    @property
    def median(self) -> float:
        """The median time to all."""
        return statistics.median(self.entries)

    @property
    def p99(self) -> float:
        """The 99th percentile of the time to all: the nearest rank, which of less than 100 rounds is the worst."""
        return sorted(self.entries)[math.ceil(0.99 * len(self.entries)) - 1]

    @property
    def first_share(self) -> float:
        """The median over rounds of the first order's share of the time to all."""
        return statistics.median(first / last for first, last in zip(self.firsts, self.entries, strict=True))

    @property
    def rate(self) -> float:
        """Orders per second."""
        return self.users * self.signals / self.median * 1000

    def to_json(self) -> dict[str, Any]:
        """Return everything, raw times first of all."""
        return asdict(self) | {"median": self.median, "p99": self.p99, "orders_per_second": round(self.rate, 1)}


def row_of(
    name: str, delay_ms: float, rounds: Sequence[Round], facts: dict[str, float] | None = None, *, signals: int = 1
) -> Row:
    """Put the rounds of one system together; of bursts, each one's last round."""
    entries = [each for each in rounds if each.entry]
    return Row(
        name=name,
        users=len(rounds[0].users) + sum(text.startswith("missing") for text in rounds[0].wrong),
        delay_ms=delay_ms,
        entries=tuple(each.all for each in entries),
        exits=tuple(each.all for each in rounds if not each.entry),
        firsts=tuple(each.first for each in entries),
        connections=min(each.connections for each in entries),
        unfairness=unfairness(rounds),
        signals=signals,
        facts=facts or {},
    )


def unfairness(rounds: Sequence[Round]) -> float:
    """Return how far from the middle the mean place of the worst off (or best off) user is."""
    places: dict[str, list[float]] = {}
    for each in rounds:
        last = len(each.users) - 1
        for place, user in enumerate(each.users):
            places.setdefault(user, []).append(place / last if last else 0.5)
    return max((abs(statistics.fmean(found) - 0.5) for found in places.values()), default=0.0)
