"""Checks an account's API key: before the first order with real money, about every 12 h, and when an operator asks.

The result is in the account's record. With real money, entries need a pass that is at most 24 h old, and an account whose key is
refused is parked. With paper money a refusal is only a warning. What a venue does not answer is not a refusal: the last pass
goes on counting.

It must never keep an exit back for a rule of ours: while anything is held from copying, a key that only Shoal refuses (one that
may withdraw) stops the entries and parks nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.faults import AccountFaults
from services.executor.account.keys.gates import GateRefusal
from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.doctor import DoctorAnswer, DoctorRecord, DoctorRequest
from shared.contracts.fields import MalformedMessageError
from shared.domain.fault import FaultKind
from shared.domain.key_report import PASS_LASTS_MS, Grade, KeyCheck, KeyReport, entries_refused, refused
from shared.domain.skip import Skip
from shared.domain.values.clock_offset import ClockOffset
from shared.domain.values.numerals import whole
from shared.venues.doctor import Examination, examine
from shared.venues.errors import Refusal, Rejected
from shared.venues.port import Venue

REQUEST: Final = "doctor_asked_at"
"""The field of a request in the control hash."""
_EVERY: Final = 12 * 3600.0
_SPREAD: Final = 0.1
"""The share by which the checks of different keys are moved apart."""
_AGAIN: Final = 60.0
"""Seconds until a key that was refused, or a venue that did not answer, is asked again; doubled with every further time."""
_AGAIN_MOST: Final = 900.0
_REQUEST_AGE_MS: Final = 60_000
"""A request older than this is ignored: it must not be executed when an executor starts days later."""
_WHAT: Final = "API key check"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CheckedKey:
    """Whose key is checked, and by which rules: `strict` with real money."""

    user: str
    fingerprint: str
    strict: bool


class KeyDoctor:
    """Checks the key of one account during one turn, and knows whether entries are allowed because of it."""

    def __init__(
        self,
        key: CheckedKey,
        bus: Bus,
        venue: Venue,
        clock: Callable[[], int],
        offset: Callable[[], ClockOffset | None],
        faults: AccountFaults,
        currency: str,
    ) -> None:
        """`clock` is the venue's time (epoch ms), `offset` this host's difference from it, `currency` the user's."""
        self.currency = currency
        self._key = key
        self._bus = bus
        self._records = Records(bus)
        self._venue = venue
        self._clock = clock
        self._offset = offset
        self._faults = faults
        self._record: DoctorRecord | None = None
        self._due = 0.0
        self._pause = _AGAIN
        self._answered: int | None = None

    def refusal(self) -> Skip | None:
        """Return why no entry may be sent now; None if the last pass allows it or none is needed."""
        if not self._key.strict:
            return None
        until = self._record.doctor_until if self._record else None
        return entries_refused(until or 0, self._clock())

    async def gate(self) -> None:
        """Check the key before the account trades real money, unless its last pass still counts.

        Raises GateRefusal, a VenueError's `Rejected` for a key that the venue refuses, LeaseLost, BusUnavailable.
        """
        record = await self._recorded()
        if not self._key.strict or self.refusal() is None:
            return
        if time.monotonic() >= self._due:
            found = await self._check(probe=True)
            if found.refusal is not None and await self._parks(found.refusal):
                raise found.refusal
            record = await self._recorded()
        if record.doctor is Grade.REFUSED and not await self._holds():
            raise GateRefusal(record.doctor_text)

    async def round(self, account: AccountKeeper, control: Mapping[str, str]) -> None:
        """Check the key if that is due or requested; `control` has the fields of the user's control hash.

        Raises LeaseLost, BusUnavailable.
        """
        asked_at = await self._requested(control)
        if asked_at is not None:
            found = self._unasked(account) or await self._check(probe=True)
            answer = DoctorAnswer.of_report(asked_at, self._clock(), found.report)
            await self._bus.do("HSET", keys.doctor(self._key.user, self._venue.name), *flatten(answer.fields()))
            self._answered = asked_at
        elif account.ready and time.monotonic() >= self._due:
            found = await self._check(probe=False)
        else:
            return
        if not account.ready or found.report.grade is not Grade.REFUSED:
            return
        if found.refusal is None:
            if self._key.strict and not await self._holds():
                await account.park(found.report.words)
        elif await self._parks(found.refusal):
            await account.park(found.refusal.words, found.refusal.refusal)
        else:
            account.refresh_soon()  # whether the key still serves exits its next reading shows

    def _unasked(self, account: AccountKeeper) -> Examination | None:
        """Return the answer for an account that must not be called now: each call prolongs a lockout."""
        if not account.silent:
            return None
        text = f"the account is parked and its venue is not called for now: {account.reason}"
        return Examination(KeyReport((refused(KeyCheck.SIGNATURE, text),)))

    async def _check(self, *, probe: bool) -> Examination:
        found = await examine(self._venue, currency=self.currency, clock=self._offset(), probe=probe)
        grade = found.report.grade
        if found.report.passed:
            self._pause = _AGAIN
            self._due = time.monotonic() + _EVERY * self._spread()
        else:
            self._due = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _AGAIN_MOST)
        await self._note(found.report, grade)
        return found

    def _spread(self) -> float:
        """Return a factor around 1 that is always the same for this key."""
        return 1 + _SPREAD * (int(self._key.fingerprint[:4] or "0", 16) / 0x8000 - 1)

    async def _note(self, report: KeyReport, grade: Grade) -> None:
        """Record the result; log it if it is another than the last."""
        before, now = await self._recorded(), self._clock()
        passed_at = now if report.passed else before.doctor_passed_at
        until = None
        if self._key.strict:
            until = 0 if grade is Grade.REFUSED or not passed_at else passed_at + PASS_LASTS_MS
        record = DoctorRecord(
            doctor=grade,
            doctor_text=report.words,
            doctor_at=now,
            doctor_passed_at=passed_at,
            doctor_until=until,
            doctor_key=self._key.fingerprint,
        )
        self._record = record
        await self._records.write_key_check(self._key.user, self._venue.name, record)
        if (grade, report.words) != (before.doctor, before.doctor_text):
            write = log.info if report.passed else log.warning
            write(
                "API key checked", user=self._key.user, venue=self._venue.name, result=str(grade), findings=report.words
            )
        if self._key.strict and not report.passed:
            self._faults.report(FaultKind.KEY, report.words, _WHAT)
        else:
            self._faults.clear(FaultKind.KEY, _WHAT)

    async def _recorded(self) -> DoctorRecord:
        """Return the last check of this key, as Redis has it; one of another key, or of the other kind of money, is put right."""
        if self._record is not None:
            return self._record
        (found,) = await self._records.key_checks([(self._key.user, self._venue.name)])
        mine = found.doctor_key == self._key.fingerprint
        record = found if mine else DoctorRecord(doctor_key=self._key.fingerprint)
        passed_at = 0 if record.doctor is Grade.REFUSED else record.doctor_passed_at
        until = (passed_at + PASS_LASTS_MS if passed_at else 0) if self._key.strict else None
        record = record.model_copy(update={"doctor_until": until})
        if until != found.doctor_until or (found.doctor is not None and not mine):
            await self._records.write_key_check(self._key.user, self._venue.name, record)
        self._record = record
        return record

    async def _parks(self, refusal: Rejected) -> bool:
        """Return whether the venue's refusal of the key parks the account: not if exits may still go, nor with paper money."""
        if refusal.refusal is Refusal.LOCKED:  # each further call prolongs it
            return True
        return self._key.strict and not await self._holds()

    async def _holds(self) -> bool:
        """Return whether anything is, or may be, held from copying."""
        held = await self._records.holdings(self._key.user, self._venue.name)
        return bool(held.positions or held.unreadable)

    async def _requested(self, control: Mapping[str, str]) -> int | None:
        """Return the instant of a request that is to be answered."""
        try:
            asked_at = DoctorRequest.parse({REQUEST: control[REQUEST]}).doctor_asked_at if REQUEST in control else None
        except MalformedMessageError:
            return None
        if asked_at is None or self._clock() - asked_at > _REQUEST_AGE_MS:
            return None
        if self._answered is None:
            before = pairs(await self._bus.do("HGETALL", keys.doctor(self._key.user, self._venue.name)))
            self._answered = whole(before.get("asked_at")) or 0
        return asked_at if asked_at > self._answered else None
