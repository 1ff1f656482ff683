"""What an audit reads of a stream: only the few facts that it judges by, so that a million entries fit into memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from shared.bus.streams import entry_order
from shared.domain.values.money import ZERO
from shared.ledger.reading import WHOLE, StreamExtent

_CLOCKS_MS: Final = 60_000
"""How far the venue's clock and Redis's may be apart."""


class DecisionEntry(NamedTuple):
    """An entry of an order stream. `emitted_at` in epoch ms, 0 if unknown."""

    entry_id: str
    order_id: str
    signal_id: str
    copy: bool
    emitted_at: int = 0
    exit: bool = False


class ReportEntry(NamedTuple):
    """An entry of a report stream. Instants in epoch ms, 0 if unknown."""

    order_id: str
    signal_id: str
    outcome: str
    filled: Decimal = ZERO
    signal_at: int = 0
    settled_at: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class FollowingPeriod:
    """For which signals a user was active: those after the entry `start`, up to and with `until` ('' is: still)."""

    start: str
    until: str = ""

    def due(self, entry_id: str) -> bool:
        """Say whether this signal had to reach the user."""
        at = entry_order(entry_id)
        return at > entry_order(self.start) and (not self.until or at <= entry_order(self.until))


@dataclass(frozen=True)
class SignalFacts:
    """The signal stream: id by entry id, why by entry id for unreadable ones, and which were buried or dropped."""

    ids: Mapping[str, str]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    buried: Collection[str] = ()
    dropped: Collection[str] = ()
    """Given up by an operator: due to nobody."""
    extent: StreamExtent = WHOLE

    @cached_property
    def entries(self) -> Mapping[str, str]:
        """Give the entry id of each signal id."""
        return {signal_id: entry_id for entry_id, signal_id in self.ids.items()}


@dataclass(frozen=True, slots=True)
class UserFacts:
    """Everything of one user. `late` are reports that came while the orders were read; `buried` are entry ids of dead orders,
    `dropped` of those that an operator gave up: they have failed."""

    user: str
    following: FollowingPeriod | None
    decided: Sequence[DecisionEntry]
    reported: Sequence[ReportEntry]
    late: Sequence[ReportEntry] = ()
    buried: Collection[str] = ()
    dropped: Collection[str] = ()
    orders_extent: StreamExtent = WHOLE
    reports_extent: StreamExtent = WHOLE
    since: int = 0
    """From when on (epoch ms) his orders are of the money that the venue's journal is of; 0: all of them."""


@dataclass(frozen=True, slots=True)
class AuditTime:
    """When the reading began (epoch ms), and how young something may be and still be on its way (ms)."""

    now: int
    grace_ms: int

    def young(self, at: int) -> bool:
        """Say whether something of this instant may still be on its way."""
        return at > self.now - self.grace_ms

    def age(self, at: int) -> str:
        """Give an age in words."""
        return f"{max(self.now - at, 0) / 1000:.1f} s old"


def order_trimmed(book: UserFacts, report: ReportEntry) -> bool:
    """Say whether the order of a report can have been trimmed; a report knows its signal's instant, not its entry."""
    return book.orders_extent.trimmed(f"{max(report.signal_at - _CLOCKS_MS, 0)}-0")
