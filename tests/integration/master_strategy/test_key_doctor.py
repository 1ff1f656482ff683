"""The check of the master's key: what keeps a session from beginning, and what only is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.master_strategy.account.key_doctor import MasterKeyDoctor
from services.master_strategy.clock import Clock
from shared.bus.connection import Bus
from shared.bus.order.interventions import ask_for_key_check
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.doctor import DoctorAnswer, DoctorRequest
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.key_report import KeyCheck, ok, refused
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.executor.rig import until

MAY_WITHDRAW = refused(KeyCheck.WITHDRAW, "the key may withdraw: take that away")


class Setting:
    """The master's venue, its time, and what is reported."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.time = SteppedTime()
        self.faults = Faults(self.time)
        self.account = FakeAccount()
        self.venue = FakeVenue(FakeMarket(), self.account, clock=self.time)

    def doctor(self, *, live: bool = True) -> MasterKeyDoctor:
        clock = Clock(now=self.time, sleep=self.time.sleep, steady=lambda: self.time.steady)
        return MasterKeyDoctor(self.bus, self.venue, clock, self.faults, currency="USD", live=live, trades=True)

    async def record(self) -> dict[str, str]:
        return pairs(await self.bus.do("HGETALL", keys.account(MASTER, "kraken")))

    async def is_refused(self) -> bool:
        return (await self.record()).get("doctor") == "refused"

    async def answer(self) -> dict[str, str]:
        return pairs(await self.bus.do("HGETALL", keys.doctor(MASTER, "kraken")))


@asynccontextmanager
async def running(doctor: MasterKeyDoctor) -> AsyncIterator[None]:
    task = asyncio.create_task(doctor.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def setting(bus: Bus) -> Setting:
    return Setting(bus)


async def test_with_real_money_a_refused_key_begins_no_session(setting: Setting) -> None:
    setting.account.key_findings = [MAY_WITHDRAW]
    with pytest.raises(Rejected, match="the key may withdraw") as raised:
        await setting.doctor().admit()
    assert raised.value.refusal is Refusal.AUTH
    assert (await setting.record())["doctor"] == "refused"
    assert [each.kind for each in setting.faults.standing] == [FaultKind.KEY]


async def test_with_paper_money_it_begins_and_the_finding_is_recorded(setting: Setting) -> None:
    setting.account.key_findings = [MAY_WITHDRAW]
    doctor = setting.doctor(live=False)
    await doctor.admit()
    assert setting.venue.calls["check_key"] == 0  # nothing is held up
    async with running(doctor):
        await until(setting.is_refused, "the refusal is recorded")
    assert setting.faults.standing == ()


async def test_an_outage_holds_no_session_up(setting: Setting) -> None:
    setting.venue.fail("check_key", Unavailable("HTTP 520"))
    await setting.doctor().admit()
    assert (await setting.record())["doctor"] == "unknown"


async def test_the_venues_own_refusal_keeps_its_family_so_that_a_lockout_is_waited_for(setting: Setting) -> None:
    setting.venue.fail("check_key", Rejected("EGeneral:Temporary lockout", Refusal.LOCKED))
    with pytest.raises(Rejected) as raised:
        await setting.doctor().admit()
    assert raised.value.refusal is Refusal.LOCKED


async def test_a_key_that_goes_bad_later_ends_nothing(setting: Setting) -> None:
    setting.account.key_findings = [ok(KeyCheck.WITHDRAW, "may not withdraw")]
    doctor = setting.doctor()
    await doctor.admit()
    setting.account.key_findings = [MAY_WITHDRAW]
    doctor._due = 0.0
    async with running(doctor):
        await until(setting.is_refused, "the refusal is recorded")
        assert [each.kind for each in setting.faults.standing] == [FaultKind.KEY]


async def test_a_request_is_answered(setting: Setting) -> None:
    setting.account.key_findings = [MAY_WITHDRAW]
    asked_at = setting.time() + 1
    await ask_for_key_check(setting.bus, MASTER, DoctorRequest(doctor_asked_at=asked_at))
    async with running(setting.doctor(live=False)):
        await until(setting.answer, "the request is answered")
    answer = DoctorAnswer.parse(await setting.answer())
    assert answer.asked_at == asked_at
    assert MAY_WITHDRAW in answer.report.findings
