"""The records of key checks: what is written is what is read, and nothing unreadable ever allows an entry."""

from __future__ import annotations

import pytest

from shared.contracts.access import ACCESS
from shared.contracts.doctor import DOCTOR_FIELDS, DoctorAnswer, DoctorRecord, DoctorRequest
from shared.contracts.fields import MalformedMessageError
from shared.contracts.records import AccountRecord
from shared.domain.key_report import Grade, KeyCheck, KeyReport, ok, refused
from tests.support.examples import NOW, an_account

REPORT = KeyReport((ok(KeyCheck.TRADE, "may trade"), refused(KeyCheck.WITHDRAW, 'has "Withdraw": take it away')))


def test_a_report_is_read_as_it_was_written() -> None:
    answer = DoctorAnswer.parse(DoctorAnswer.of_report(NOW, NOW + 5, REPORT).fields())
    assert (answer.asked_at, answer.at, answer.report) == (NOW, NOW + 5, REPORT)


@pytest.mark.parametrize("findings", ["", "{", "null", "7", '["a"]', '[["trade", "fine", ""]]', '[["moon", "ok", ""]]'])
def test_a_report_that_is_none_says_so(findings: str) -> None:
    fields = DoctorAnswer.of_report(NOW, NOW, REPORT).fields() | {"findings": findings}
    with pytest.raises(MalformedMessageError):
        _ = DoctorAnswer.parse(fields).report


def test_a_record_has_its_fields_and_no_version_of_its_own() -> None:
    record = DoctorRecord(
        doctor=Grade.WARNING, doctor_text="no IP list", doctor_at=NOW, doctor_passed_at=NOW, doctor_until=NOW + 1
    )
    assert tuple(record.fields()) == DOCTOR_FIELDS
    assert DoctorRecord.parse(record.fields()) == record
    assert DoctorRequest(doctor_asked_at=NOW).fields() == {"doctor_asked_at": str(NOW)}


def test_an_account_reads_until_when_entries_are_taken_and_never_writes_it() -> None:
    written = AccountRecord.from_domain(an_account(entries_until=NOW)).fields()
    assert "doctor_until" not in written
    read = AccountRecord.parse(written | {"doctor_until": str(NOW)}).to_domain("alice", "kraken")
    assert read == an_account(entries_until=NOW)


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "9" * 20, " 7"])
def test_an_unreadable_instant_allows_no_entry(text: str) -> None:
    written = AccountRecord.from_domain(an_account()).fields() | {"doctor_until": text}
    assert AccountRecord.parse(written).to_domain("alice", "kraken") == an_account(entries_until=0)


def test_without_the_field_no_pass_is_needed() -> None:
    written = AccountRecord.from_domain(an_account()).fields()
    assert AccountRecord.parse(written).to_domain("alice", "kraken").entries_until is None
    assert AccountRecord.parse(written | {"doctor_until": ""}).to_domain("alice", "kraken").entries_until is None


def test_only_executors_and_the_master_may_answer() -> None:
    may = {
        service
        for service, rules in ACCESS.items()
        for rule in rules
        if any("shoal:doctor:" in key for key in rule.keys)
    }
    assert may == {"executor"}  # the master's own is among `shoal:*:{master}*`
