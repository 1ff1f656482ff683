"""The check of an account's key: its record beside the account's, an operator's request to make one now, and the answer.

The record is in the hash of the account (`shoal:account:{user}:<venue>`), whose other fields it leaves alone. The request is in
`shoal:control:{user}`, beside the kill switch; each of the user's accounts answers it in `shoal:doctor:{user}:<venue>`.
"""

from __future__ import annotations

import json
from typing import Annotated, Final

from pydantic import ValidationError

from shared.contracts.fields import Instant, MalformedMessageError, Message, type_or_blank
from shared.domain.key_report import Finding, Grade, KeyCheck, KeyReport

DOCTOR_FIELDS: Final = ("doctor", "doctor_text", "doctor_at", "doctor_passed_at", "doctor_until", "doctor_key")


class DoctorRecord(Message):
    """The last check of an account's key, instants in epoch ms.

    `doctor_passed_at` is the last check that passed with this key, and `doctor_until` the instant until which entries are taken
    because of it: blank where no pass is needed (paper money), 0 where there was none. `doctor_key` is the key's fingerprint.
    """

    doctor: Annotated[Grade | None, type_or_blank] = None
    doctor_text: str = ""
    doctor_at: Annotated[Instant | None, type_or_blank] = None
    doctor_passed_at: Annotated[Instant | None, type_or_blank] = None
    doctor_until: Annotated[Instant | None, type_or_blank] = None
    doctor_key: str = ""

    def fields(self) -> dict[str, str]:
        """Return the record as fields of the account's hash, which has its own version."""
        return {name: value for name, value in super().fields().items() if name != "v"}


class DoctorRequest(Message):
    """A field of the control hash; a request is identified by its instant (epoch ms)."""

    doctor_asked_at: Instant

    def fields(self) -> dict[str, str]:
        """Return the request as a field of the control hash, which has no version."""
        return {name: value for name, value in super().fields().items() if name != "v"}


class DoctorAnswer(Message):
    """The report of the check that answered the request of `asked_at`; `findings` as JSON: `[[check, grade, text], ...]`."""

    asked_at: Instant
    at: Instant
    findings: str

    @staticmethod
    def of_report(asked_at: int, at: int, report: KeyReport) -> DoctorAnswer:
        """Return the answer that carries a report."""
        rows = [[each.check, each.grade, each.text] for each in report.findings]
        return DoctorAnswer(asked_at=asked_at, at=at, findings=json.dumps(rows, ensure_ascii=False))

    @property
    def report(self) -> KeyReport:
        """Return the report. Raises MalformedMessageError."""
        try:
            rows = json.loads(self.findings)
            return KeyReport(tuple(Finding(KeyCheck(check), Grade(grade), str(text)) for check, grade, text in rows))
        except (TypeError, ValueError, ValidationError):
            raise MalformedMessageError("DoctorAnswer.findings: not a list of findings") from None
