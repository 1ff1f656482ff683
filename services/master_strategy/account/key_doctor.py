"""Checks the API key of the master's account: before a session connects, about every 12 h, and when an operator asks.

In live mode a session does not begin with a key that may withdraw or lacks a right: the account is parked with the reason. Once a
session trades, a later finding is reported as a fault and ends nothing, because the exits of all users depend on the master. In
paper mode every finding is only recorded and logged. A venue that does not answer holds nothing up here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from services.master_strategy.clock import Clock
from shared.bus.connection import Bus
from shared.bus.errors import BusRefused
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.doctor import DoctorAnswer, DoctorRecord, DoctorRequest
from shared.contracts.fields import MalformedMessageError
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.key_report import Grade, KeyReport
from shared.domain.values.clock_offset import ClockOffset
from shared.domain.values.numerals import whole
from shared.venues.doctor import Examination, examine
from shared.venues.errors import Refusal, Rejected
from shared.venues.port import Venue

_LISTEN: Final = 2.0
"""Seconds between looks for a request: one HGETALL each."""
_EVERY: Final = 12 * 3600.0
_AGAIN: Final = 900.0
_REQUEST_AGE_MS: Final = 60_000

_log = structlog.get_logger(__name__)


class MasterKeyDoctor:
    """Checks the master's key at one venue during one session."""

    def __init__(
        self,
        bus: Bus,
        venue: Venue,
        clock: Clock,
        faults: Faults,
        *,
        currency: str,
        live: bool,
        trades: bool,
        offset: Callable[[], ClockOffset | None] = lambda: None,
        subject: str = MASTER,
        owner: str = MASTER,
    ) -> None:
        """`live`: whether a refused key may not begin. `trades`: whether a strategy trades, and not only mirrors."""
        self._bus = bus
        self._records = Records(bus)
        self._venue = venue
        self._clock = clock
        self._faults = faults
        self._currency = currency
        self._live = live
        self._trades = trades
        self._offset = offset
        self._due = 0.0
        self._answered: int | None = None
        self._last = ""
        self._owner = owner
        self._subject = f"{subject}: API key check"

    async def admit(self) -> None:
        """Check the key before the session connects. Raises Rejected in live mode for one that is refused."""
        if not self._live:
            return  # checked a moment later, without holding anything up
        found = await self._check()
        if found.refusal is not None:
            raise found.refusal
        if found.report.grade is Grade.REFUSED:
            raise Rejected(found.report.words, Refusal.AUTH)

    async def run(self) -> None:
        """Check when it is due or requested, until cancelled. Raises LeaseLost, BusUnavailable, Rejected as the venue refuses."""
        while True:
            asked_at = await self._requested()
            if asked_at is not None:
                found = await self._check(probe=True, holdings=True)
                answer = DoctorAnswer.of_report(asked_at, self._clock.now(), found.report)
                await self._bus.do("HSET", keys.doctor(self._owner, self._venue.name), *flatten(answer.fields()))
                self._answered = asked_at
            elif self._clock.steady() >= self._due:
                await self._check()
            await self._clock.sleep(_LISTEN)

    async def _check(self, *, probe: bool = False, holdings: bool = False) -> Examination:
        found = await examine(
            self._venue,
            currency=self._currency,
            clock=self._offset(),
            trades=self._trades,
            probe=probe,
            holdings=holdings,
        )
        self._due = self._clock.steady() + (_EVERY if found.report.passed else _AGAIN)
        await self._note(found.report)
        return found

    async def _note(self, report: KeyReport) -> None:
        now, grade = self._clock.now(), report.grade
        record = DoctorRecord(
            doctor=grade, doctor_text=report.words, doctor_at=now, doctor_passed_at=now if report.passed else None
        )
        await self._records.write_key_check(self._owner, self._venue.name, record)
        said = f"{grade}: {report.words}"
        if said != self._last:
            write = _log.info if report.passed else _log.warning
            write("API key checked", user=self._owner, venue=self._venue.name, result=str(grade), findings=report.words)
        self._last = said
        if self._live and not report.passed:
            self._faults.report(FaultKind.KEY, self._subject, report.words)
        else:
            self._faults.clear(FaultKind.KEY, self._subject)

    async def _requested(self) -> int | None:
        """Return the instant of a request that is to be answered; an unreadable one is none."""
        try:
            asked_at = DoctorRequest.parse(
                pairs(await self._bus.do("HGETALL", keys.control(self._owner)))
            ).doctor_asked_at
        except (MalformedMessageError, BusRefused):
            return None
        if self._clock.now() - asked_at > _REQUEST_AGE_MS:
            return None
        if self._answered is None:
            before = pairs(await self._bus.do("HGETALL", keys.doctor(self._owner, self._venue.name)))
            self._answered = whole(before.get("asked_at")) or 0
        return asked_at if asked_at > self._answered else None
