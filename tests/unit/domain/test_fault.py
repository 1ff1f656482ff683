"""The register of faults: what is active, what is new, and its bounds."""

from __future__ import annotations

from itertools import count

from shared.domain.fault import MOST_STANDING, FaultKind, Faults


def test_a_fault_stands_from_its_first_report_until_it_is_cleared() -> None:
    clock = count(100)
    faults = Faults(lambda: next(clock))
    assert faults.report(FaultKind.USER_FILE, "bob", "a typo")
    assert not faults.report(FaultKind.USER_FILE, "bob", "another typo"), "the second report is not new"
    (fault,) = faults.standing
    assert (fault.since, fault.count, fault.reason) == (100, 2, "another typo")
    assert faults.clear(FaultKind.USER_FILE, "bob")
    assert not faults.clear(FaultKind.USER_FILE, "bob")
    assert faults.standing == ()
    assert faults.events == {FaultKind.USER_FILE: 2}, "what occurred stays counted"


def test_what_blocks_comes_first_then_the_oldest() -> None:
    clock = count(1)
    faults = Faults(lambda: next(clock))
    faults.report(FaultKind.RECORD, "alice", "damaged")
    faults.report(FaultKind.TASK, "watch", "ended")
    faults.report(FaultKind.MASTER_SCAN, "kraken", "no answer", blocks=True)
    assert [fault.subject for fault in faults.standing] == ["kraken", "alice", "watch"]


def test_a_counted_event_leaves_nothing_standing() -> None:
    faults = Faults()
    faults.count(FaultKind.VENUE_ROW)
    assert faults.standing == ()
    assert faults.events == {FaultKind.VENUE_ROW: 1}


def test_a_thousand_causes_are_counted_but_not_all_kept() -> None:
    faults = Faults()
    for number in range(MOST_STANDING + 100):
        faults.report(FaultKind.USER_FILE, f"user-{number}", "a typo")
    assert len(faults.standing) == MOST_STANDING
    assert faults.events == {FaultKind.USER_FILE: MOST_STANDING + 100}
