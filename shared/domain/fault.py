"""Local faults: what is wrong in one place of a process while the rest of it continues.

An unreadable row, record, file, stream or user is reported here and left out. A reported fault stays active until it is cleared;
a single event is only counted. Each process publishes its register with its heartbeat, so that status, `/readyz` and the metrics
show it. The register is in memory and bounded: it must never become a way to fill Redis or a log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

MOST_STANDING: Final = 500
"""Active faults that a process keeps one by one; further ones are only counted."""


class FaultKind(StrEnum):
    """The kind of a fault. Stable words: metrics and alerts use them."""

    CLOCK = "clock"  # this host's clock differs from the venue's
    EQUITY = "equity"  # something that an account holds has no known value
    MASTER_ROW = "master_row"  # a row of the master's account is not a plain spot trade, or cannot be read
    MASTER_SCAN = "master_scan"  # the master's fills cannot be seen
    VENUE_ROW = "venue_row"  # a row of a venue's answer cannot be read
    VENUE_STREAM = "venue_stream"  # an account's private stream is down for long, or has left something out
    USER_FILE = "user_file"  # a user's file is missing or cannot be used
    RECORD = "record"  # a record in Redis cannot be read
    STREAM = "stream"  # a stream, or an entry of it, cannot be read
    REDIS = "redis"  # Redis refuses or has lost something
    ORDER = "order"  # an order cannot be brought to a terminal outcome
    KEY = "key"  # an API key cannot be used, or is used twice
    SYMBOL = "symbol"  # the venue does not list a held asset under this name
    STRATEGY = "strategy"  # a strategy is paused: it raised, or took too long
    NOTIFY = "notify"  # a message to people cannot be delivered
    TASK = "task"  # a background task has failed and was started again


@dataclass(frozen=True, slots=True)
class Fault:
    """One active fault. `subject` names what it is about (a user, a row, a file), `since` is epoch ms.

    `blocks`: no signal is copied while it is active.
    """

    kind: FaultKind
    subject: str
    reason: str
    since: int
    count: int = 1
    blocks: bool = False


class Faults:
    """The register of one process. `clock` returns epoch ms."""

    def __init__(self, clock: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._standing: dict[tuple[FaultKind, str], Fault] = {}
        self._events: dict[FaultKind, int] = {}

    def report(self, kind: FaultKind, subject: str, reason: str, *, blocks: bool = False) -> bool:
        """Report an active fault; return True if it is new, so that the caller logs it once.

        A repeated report counts as an event, keeps `since` and replaces the reason.
        """
        self._events[kind] = self._events.get(kind, 0) + 1
        known = self._standing.get((kind, subject))
        if known is not None:
            self._standing[kind, subject] = replace(known, reason=reason, count=known.count + 1, blocks=blocks)
            return False
        if len(self._standing) >= MOST_STANDING:
            return False  # a flood: counted, but neither kept nor logged
        self._standing[kind, subject] = Fault(kind, subject, reason, self._clock(), blocks=blocks)
        return True

    def clear(self, kind: FaultKind, subject: str) -> bool:
        """Clear a fault; return True if it was active."""
        return self._standing.pop((kind, subject), None) is not None

    def count(self, kind: FaultKind) -> None:
        """Count one event that leaves no active fault, such as a row that was left out."""
        self._events[kind] = self._events.get(kind, 0) + 1

    @property
    def standing(self) -> tuple[Fault, ...]:
        """Return the active faults: blocking ones first, then the oldest."""
        return tuple(sorted(self._standing.values(), key=lambda fault: (not fault.blocks, fault.since)))

    @property
    def events(self) -> Mapping[FaultKind, int]:
        """Return how often each kind was reported or counted since the process started."""
        return dict(self._events)
