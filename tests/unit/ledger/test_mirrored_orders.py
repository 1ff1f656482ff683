"""The audit of mirrored orders: nothing lost, nothing doubled, and an order that rests is no finding."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.order import leg_id
from shared.ledger.audit.audit import audit_user
from shared.ledger.audit.facts import (
    AuditTime,
    FollowingPeriod,
    MasterOrderFacts,
    MirrorEntry,
    ReportEntry,
    SignalFacts,
    UserFacts,
)
from shared.ledger.audit.findings import AuditTally, FindingKind
from shared.ledger.audit.journal import JournalOrder

NOW = 1_000_000
OLD, YOUNG = NOW - 60_000, NOW - 1_000
ID = str(UUID(int=7))
PLACED = MirrorEntry(f"{OLD}-0", ID, "place", copy=True, master_order_id="M1", version=1, emitted_at=OLD)
ENDED = MirrorEntry(f"{OLD}-5", ID, "cancel", copy=True, master_order_id="M1", version=2, emitted_at=OLD)
REPORT = ReportEntry(ID, "m1", "filled", Decimal("0.5"), OLD, OLD + 200)
MASTERS = MasterOrderFacts({"M1": [(PLACED.entry_id, 1), (ENDED.entry_id, 2)]})
BOOK = UserFacts("alice", FollowingPeriod("0-0"), [], [REPORT], mirrored=[PLACED, ENDED])
ROWS = [
    JournalOrder("alice", "kraken", ID, "V1", Decimal("0.2"), OLD + 100),
    JournalOrder("alice", "kraken", leg_id(ID, 2), "V2", Decimal("0.3"), OLD + 150),
]


def judge(book: UserFacts, venue: list[JournalOrder] | None = None, masters: MasterOrderFacts = MASTERS) -> AuditTally:
    return audit_user(SignalFacts({}), book, venue, AuditTime(NOW, 10_000), masters)


def kinds(tally: AuditTally) -> dict[FindingKind, int]:
    return {kind: count for kind, count in tally.found.items() if count}


def test_an_order_with_its_legs_and_one_outcome_is_no_finding() -> None:
    tally = judge(BOOK, ROWS)
    assert kinds(tally) == {}
    assert (tally.mirrored, tally.venue_orders, tally.open) == (1, 2, 0)


def test_an_order_that_rests_is_open_however_old_it_is() -> None:
    tally = judge(replace(BOOK, mirrored=[PLACED], reported=[], resting=[ID]), ROWS, MasterOrderFacts())
    assert (kinds(tally), tally.open) == ({}, 1)


@pytest.mark.parametrize(
    "book",
    [
        replace(BOOK, reported=[]),  # the master's has ended
        replace(BOOK, reported=[], resting=[ID]),  # ... and its own still rests
        replace(BOOK, reported=[], mirrored=[PLACED]),  # nobody knows of it any more
    ],
)
def test_an_order_without_an_outcome_is_found(book: UserFacts) -> None:
    assert kinds(judge(book, masters=MasterOrderFacts())) == {FindingKind.MISSING_OUTCOME: 1}


def test_what_is_young_is_open() -> None:
    young = PLACED._replace(entry_id=f"{YOUNG}-0", emitted_at=YOUNG)
    tally = judge(replace(BOOK, reported=[], mirrored=[young]), masters=MasterOrderFacts())
    assert (kinds(tally), tally.open) == ({}, 1)


def test_a_change_of_the_master_s_order_that_did_not_reach_the_user_is_found() -> None:
    tally = judge(replace(BOOK, mirrored=[PLACED], resting=[ID], reported=[]))
    assert kinds(tally) == {FindingKind.MISSING_DECISION: 1}


def test_a_decision_to_skip_needs_an_outcome_too_and_no_changes() -> None:
    skip = PLACED._replace(copy=False)
    reported = [REPORT._replace(outcome="skipped", filled=Decimal(0))]
    assert kinds(judge(replace(BOOK, mirrored=[skip], reported=reported))) == {}
    assert kinds(judge(replace(BOOK, mirrored=[skip], reported=[]))) == {FindingKind.MISSING_OUTCOME: 1}
    assert kinds(judge(replace(BOOK, mirrored=[skip]))) == {FindingKind.OUTCOME_AGAINST_DECISION: 1}


def test_two_outcomes_a_wrong_sum_and_a_strange_leg_are_found() -> None:
    assert kinds(judge(replace(BOOK, reported=[REPORT, REPORT]))) == {FindingKind.DOUBLE_OUTCOME: 1}
    assert kinds(judge(BOOK, ROWS[:1])) == {FindingKind.FILL_DISAGREES: 1}
    strange = ROWS[1]._replace(client_order_id=leg_id(ID, 9))
    assert kinds(judge(BOOK, [ROWS[0], strange])) == {
        FindingKind.FILL_DISAGREES: 1,
        FindingKind.UNDECIDED_AT_VENUE: 1,
    }


def test_an_outcome_of_an_order_that_was_never_decided_is_found() -> None:
    assert kinds(judge(replace(BOOK, mirrored=[]))) == {FindingKind.OUTCOME_WITHOUT_DECISION: 1}
