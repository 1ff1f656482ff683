"""The findings of an audit and their counts. `ops audit` shows them, and its exit code depends on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.domain.values.money import plain
from shared.ledger.audit.book_sums import BookRow, BookState

MOST_SHOWN: Final = 200
"""Findings kept in full; further ones are only counted."""


class FindingKind(StrEnum):
    """Each breaks a promise, or needs the operator."""

    MISSING_DECISION = "missing decision"
    MISSING_OUTCOME = "missing outcome"
    MISSING_AT_VENUE = "missing at the venue"
    DOUBLE_OUTCOME = "double outcome"
    ACCEPTED_TWICE = "accepted twice by the venue"
    ORDER_WITHOUT_SIGNAL = "order without signal"
    OUTCOME_WITHOUT_DECISION = "outcome without decision"
    OUTCOME_AGAINST_DECISION = "outcome against the decision"
    UNDECIDED_AT_VENUE = "order at the venue without a decision"
    FILL_DISAGREES = "fill disagrees with the venue"
    BOOK_DISAGREES = "a master's book disagrees with the reports"
    UNREADABLE_SIGNAL = "unreadable signal"
    DEAD_LETTER = "dead letter"


MISSING: Final = frozenset(
    {FindingKind.MISSING_DECISION, FindingKind.MISSING_OUTCOME, FindingKind.MISSING_AT_VENUE},
)
DUPLICATE: Final = frozenset({FindingKind.DOUBLE_OUTCOME, FindingKind.ACCEPTED_TWICE})


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise. `subject` is an order id or an entry id."""

    kind: FindingKind
    user: str
    subject: str
    detail: str


@dataclass(slots=True)
class AuditTally:
    """Counts of what was checked, and the findings. One per user, added up to one for all."""

    decisions: int = 0
    orders: int = 0
    """Decisions to copy."""
    mirrored: int = 0
    """Decisions to mirror a resting order of the master."""
    own_exits: int = 0
    """Outcomes of a user's own protective exits."""
    venue_orders: int = 0
    """Orders with a client id that the venue accepted for users."""
    dropped: int = 0
    """Unreadable orders that an operator dropped; they count as failed."""
    open: int = 0
    """Not settled or not yet comparable, and within the grace period."""
    books: Counter[BookState] = field(default_factory=Counter)
    """Books of named masters by how far they are proven."""
    corrected: list[BookRow] = field(default_factory=list)
    """Books that are not equal to their reports alone: corrected, or not proven."""
    outcomes: Counter[str] = field(default_factory=Counter)
    found: Counter[FindingKind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: FindingKind, user: str, subject: str, detail: str = "") -> None:
        """Add a finding."""
        self.found[kind] += 1
        if len(self.findings) < MOST_SHOWN:
            self.findings.append(Finding(kind, user, subject, detail))

    def add_book(self, row: BookRow) -> None:
        """Count a named master's book; one that differs is a finding."""
        self.books[row.state] += 1
        if (row.state is not BookState.EQUAL or row.corrected) and len(self.corrected) < MOST_SHOWN:
            self.corrected.append(row)
        if row.state is BookState.DIFFERS:
            detail = (
                f"{row.key.venue}: {plain(row.held)} is held, the reports say {plain(row.reported)} and corrections "
                f"{plain(row.corrected)}: {plain(row.difference)} is not accounted for"
            )
            self.find(FindingKind.BOOK_DISAGREES, row.user, f"{row.key.symbol} {row.key.master}", detail)

    def add(self, other: AuditTally) -> None:
        """Add the counts and findings of another tally."""
        self.decisions += other.decisions
        self.orders += other.orders
        self.mirrored += other.mirrored
        self.own_exits += other.own_exits
        self.venue_orders += other.venue_orders
        self.dropped += other.dropped
        self.open += other.open
        self.books.update(other.books)
        self.corrected.extend(other.corrected[: MOST_SHOWN - len(self.corrected)])
        self.outcomes.update(other.outcomes)
        self.found.update(other.found)
        self.findings.extend(other.findings[: MOST_SHOWN - len(self.findings)])

    def count(self, kinds: frozenset[FindingKind]) -> int:
        """Return the number of findings of these kinds."""
        return sum(self.found[kind] for kind in kinds)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The whole audit. `venue_checked` is False without a journal (no user is on paper money, or `--no-venue`).

    `compared` names the users whose orders were compared with it: the journal is the paper exchange's.
    """

    signals: int
    users: tuple[str, ...]
    followed: tuple[str, ...]
    tally: AuditTally
    invalid_nonces: int
    venue_checked: bool
    compared: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, duplicated or otherwise not as promised.

        Rejected nonces are a figure, not a finding: after a take-over the venue rejects what a frozen owner sends late, which is
        the fencing at work. A key that another program uses shows as a parked account.
        """
        return not self.tally.found.total()

    def summary(self) -> dict[str, object]:
        """Return the figures as one JSON object."""
        tally = self.tally
        others = tally.found.total() - tally.count(MISSING) - tally.count(DUPLICATE)
        return {
            "ok": self.ok,
            "signals": self.signals,
            "users": len(self.users),
            "followed": len(self.followed),
            "decisions": tally.decisions,
            "orders": tally.orders,
            "outcomes": dict(sorted(tally.outcomes.items())),
            "mirrored": tally.mirrored,
            "own_exits": tally.own_exits,
            "dropped": tally.dropped,
            "open": tally.open,
            "missing": tally.count(MISSING),
            "duplicates": tally.count(DUPLICATE),
            "disagreements": others - tally.found[FindingKind.DEAD_LETTER],
            "dead_letters": tally.found[FindingKind.DEAD_LETTER],
            "invalid_nonces": self.invalid_nonces,
            "venue_checked": self.venue_checked,
            "venue_users": len(self.compared),
            "venue_orders": tally.venue_orders,
            "books": {"checked": tally.books.total(), **{str(state): tally.books[state] for state in BookState}},
            "books_corrected": [_book(row) for row in tally.corrected],
            "found": {kind.value: count for kind, count in sorted(tally.found.items()) if count},
            "findings": [
                {"kind": each.kind.value, "user": each.user, "subject": each.subject, "detail": each.detail}
                for each in tally.findings
            ],
        }


def _book(row: BookRow) -> dict[str, str]:
    return {
        "user": row.user,
        **row.key._asdict(),
        "state": str(row.state),
        "held": plain(row.held),
        "reported": plain(row.reported),
        "corrected": plain(row.corrected),
        "difference": plain(row.difference),
    }
