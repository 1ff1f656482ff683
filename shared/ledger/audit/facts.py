"""What an audit keeps of each stream entry: only the facts that it checks, so that a million entries fit into memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from shared.bus.flow.streams import entry_order
from shared.domain.values.money import ZERO
from shared.ledger.reading import WHOLE, StreamExtent

_CLOCKS_MS: Final = 60_000
"""The largest difference between the venue's clock and Redis's."""


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
    """The signals for which a user was active: those after the entry `start`, up to and including `until` (empty: no end)."""

    start: str
    until: str = ""

    def due(self, entry_id: str) -> bool:
        """Return whether this signal was due to the user."""
        at = entry_order(entry_id)
        return at > entry_order(self.start) and (not self.until or at <= entry_order(self.until))


@dataclass(frozen=True)
class SignalFacts:
    """The signal stream: ids and errors of unreadable entries, by entry id; and which are dead letters or were dropped."""

    ids: Mapping[str, str]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    buried: Collection[str] = ()
    dropped: Collection[str] = ()
    """Dropped by an operator: no user is due a decision on them."""
    extent: StreamExtent = WHOLE

    @cached_property
    def entries(self) -> Mapping[str, str]:
        """Return the entry id of each signal id."""
        return {signal_id: entry_id for entry_id, signal_id in self.ids.items()}


class MirrorEntry(NamedTuple):
    """An entry of a user's stream of decisions about resting orders. `copy` is False for a skip; `emitted_at` in epoch ms."""

    entry_id: str
    order_id: str
    action: str
    copy: bool
    master_order_id: str
    version: int
    emitted_at: int = 0


@dataclass(frozen=True, slots=True)
class MasterOrderFacts:
    """The versions of the master's resting orders that were emitted: entry id and version, by the venue's order id."""

    versions: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UserFacts:
    """Everything of one user. `late` are reports that arrived while the orders were read; `buried` are entry ids of dead letters,
    `dropped` those that an operator dropped: they count as failed."""

    user: str
    following: FollowingPeriod | None
    decided: Sequence[DecisionEntry]
    reported: Sequence[ReportEntry]
    late: Sequence[ReportEntry] = ()
    buried: Collection[str] = ()
    dropped: Collection[str] = ()
    orders_extent: StreamExtent = WHOLE
    reports_extent: StreamExtent = WHOLE
    mirrored: Sequence[MirrorEntry] = ()
    """All decisions about resting orders of the master."""
    resting: Collection[str] = ()
    """The ids of the mirrored orders that have not ended."""
    mirrored_extent: StreamExtent = WHOLE
    since: int = 0
    """Since when (epoch ms) the user's orders use the same money as the venue's journal; 0: always."""


@dataclass(frozen=True, slots=True)
class AuditTime:
    """When the reading began (epoch ms), and the grace period for decisions and outcomes (ms)."""

    now: int
    grace_ms: int

    def young(self, at: int) -> bool:
        """Return whether an instant is within the grace period."""
        return at > self.now - self.grace_ms

    def age(self, at: int) -> str:
        """Describe the age of an instant."""
        return f"{max(self.now - at, 0) / 1000:.1f} s old"


def order_trimmed(book: UserFacts, report: ReportEntry) -> bool:
    """Return whether the order of a report may have been trimmed; a report has its signal's instant, not its entry id."""
    return book.orders_extent.trimmed(f"{max(report.signal_at - _CLOCKS_MS, 0)}-0")
