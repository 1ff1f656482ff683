"""A report is as grave as its gravest finding, and a pass is worth a day."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from shared.domain.key_report import Finding, Grade, KeyCheck, KeyReport, entries_refused, ok, refused, unknown, warning
from shared.domain.reason import ReasonCode

GOOD = ok(KeyCheck.TRADE, "may trade")
LOOK = warning(KeyCheck.IP_LIST, "no IP list")
SILENT = unknown(KeyCheck.SIGNATURE, "no answer")
BAD = refused(KeyCheck.WITHDRAW, "may withdraw")


@pytest.mark.parametrize(
    ("findings", "grade", "passed", "words"),
    [
        ((), Grade.OK, True, ""),
        ((GOOD,), Grade.OK, True, ""),
        ((GOOD, LOOK), Grade.WARNING, True, "no IP list"),
        ((SILENT, LOOK), Grade.UNKNOWN, False, "no answer"),
        ((BAD, SILENT, LOOK, BAD), Grade.REFUSED, False, "may withdraw; may withdraw"),
    ],
)
def test_the_gravest_finding_decides(findings: tuple[Finding, ...], grade: Grade, passed: bool, words: str) -> None:
    report = KeyReport(findings)
    assert (report.grade, report.passed, report.words) == (grade, passed, words)


@given(st.permutations([GOOD, LOOK, SILENT, BAD]))
def test_the_sequence_of_findings_does_not_matter(findings: list[Finding]) -> None:
    assert KeyReport(tuple(findings)).grade is Grade.REFUSED


def test_entries_are_refused_only_where_a_pass_is_needed_and_too_old() -> None:
    assert entries_refused(None, 10) is None
    assert entries_refused(10, 10) is None
    late = entries_refused(10, 11)
    assert late is not None
    assert late.code == ReasonCode.KEY_UNCHECKED
    assert entries_refused(0, 1) == late
