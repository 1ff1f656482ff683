"""The check of an account's key: what parks it, what only stops its entries, and what a pass is worth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from services.executor.account.keys.key_doctor import REQUEST, CheckedKey, KeyDoctor
from services.executor.orders.dispatcher import Dispatcher
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.doctor import DoctorAnswer
from shared.domain.account import AccountState
from shared.domain.fault import FaultKind
from shared.domain.key_report import PASS_LASTS_MS, Grade, KeyCheck, ok, refused, warning
from shared.domain.order import OrderState
from shared.domain.reason import ReasonCode
from shared.venues.errors import Refusal, Rejected, Unavailable
from tests.integration.executor.rig import USER, Owner, Rig

HOUR = 3_600_000
MAY_WITHDRAW = refused(KeyCheck.WITHDRAW, "the key may withdraw: take that away")
GOOD = ok(KeyCheck.WITHDRAW, "may not withdraw")
KEY = "f" * 16


async def checked(rig: Rig, *, strict: bool = True, key: str = KEY) -> tuple[Owner, KeyDoctor]:
    """Start a process that serves alice, whose key is checked; nothing has been checked yet."""
    owner = await rig.start()
    context = owner.context
    doctor = KeyDoctor(
        CheckedKey(USER, key, strict), rig.bus, owner.venue, rig.clock, lambda: None, context.faults, "USD"
    )
    context.doctor = doctor
    context.account._gates = [doctor.gate]
    return replace(owner, dispatcher=Dispatcher(context)), doctor


async def look(owner: Owner) -> None:
    """Have the account read once, as its keeper does all the time."""
    owner.context.account.refresh_soon()
    await owner.context.account._read_if_admitted()


async def round_of(owner: Owner, doctor: KeyDoctor, control: Mapping[str, str] | None = None) -> None:
    """Have a check made that is due."""
    doctor._due = 0.0
    await doctor.round(owner.context.account, control or {})


async def record(rig: Rig) -> dict[str, str]:
    return pairs(await rig.bus.do("HGETALL", keys.account(USER, "kraken")))


async def state(rig: Rig) -> tuple[AccountState, str]:
    (account,) = await Records(rig.bus).accounts([(USER, "kraken")])
    assert account is not None
    return account.state, account.reason


async def test_a_key_that_may_withdraw_parks_an_account_with_real_money(rig: Rig) -> None:
    rig.account.key_findings = [MAY_WITHDRAW]
    owner, _ = await checked(rig)
    await look(owner)
    assert await state(rig) == (AccountState.PARKED, MAY_WITHDRAW.text)
    found = await record(rig)
    assert (found["doctor"], found["doctor_text"], found["doctor_until"]) == ("refused", MAY_WITHDRAW.text, "0")
    assert [each.kind for each in rig.faults.standing] == [FaultKind.KEY]
    assert owner.venue.calls["check_key"] == 1
    await look(owner)
    assert owner.venue.calls["check_key"] == 1  # not at each of the keeper's looks, which come every few seconds


async def test_a_corrected_key_is_traded_with_again(rig: Rig) -> None:
    rig.account.key_findings = [MAY_WITHDRAW]
    owner, doctor = await checked(rig)
    await look(owner)
    rig.account.key_findings = [GOOD]
    doctor._due = 0.0  # a minute later
    await look(owner)
    assert (await state(rig))[0] is AccountState.READY
    assert rig.faults.standing == ()
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED


async def test_a_pass_is_recorded_and_allows_entries_for_a_day(rig: Rig) -> None:
    rig.account.key_findings = [GOOD, warning(KeyCheck.IP_LIST, "no IP list")]
    owner, _ = await checked(rig)
    await look(owner)
    found, now = await record(rig), rig.clock.now
    assert (found["doctor"], found["doctor_at"], found["doctor_passed_at"]) == ("warning", str(now), str(now))
    assert found["doctor_until"] == str(now + PASS_LASTS_MS)
    assert (found["doctor_key"], found["state"]) == (KEY, "ready")
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED


async def test_a_reading_of_the_balance_leaves_the_check_where_it_is(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    owner, _ = await checked(rig)
    await look(owner)
    before = await record(rig)
    rig.clock.now += 1000
    await look(owner)
    after = await record(rig)
    assert {name: value for name, value in after.items() if name.startswith("doctor")} == {
        name: value for name, value in before.items() if name.startswith("doctor")
    }
    (account,) = await Records(rig.bus).accounts([(USER, "kraken")])
    assert account is not None
    assert account.entries_until == int(before["doctor_until"])


async def test_without_a_pass_for_a_day_entries_are_skipped_and_exits_go_on(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    owner, _ = await checked(rig)
    await look(owner)
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED
    rig.clock.now += PASS_LASTS_MS + 1
    report = await rig.carry(owner, rig.entry())
    assert (report.outcome, report.code) == (OrderState.SKIPPED, ReasonCode.KEY_UNCHECKED)
    assert (await rig.carry(owner, rig.close())).outcome is OrderState.FILLED
    assert await rig.position() is None


async def test_a_venue_that_does_not_answer_refuses_nothing_and_the_last_pass_counts(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    owner, doctor = await checked(rig)
    await look(owner)
    passed_at = rig.clock.now
    rig.clock.now += 13 * HOUR
    owner.venue.fail("check_key", Unavailable("HTTP 520"))
    await round_of(owner, doctor)
    found = await record(rig)
    assert (found["doctor"], found["doctor_until"]) == ("unknown", str(passed_at + PASS_LASTS_MS))
    assert "HTTP 520" in found["doctor_text"]
    await look(owner)
    assert (await state(rig))[0] is AccountState.READY
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED


async def test_an_outage_at_the_first_check_parks_nothing_but_no_entry_is_taken(rig: Rig) -> None:
    owner, doctor = await checked(rig)
    owner.venue.fail("check_key", Unavailable("a page of HTML"))
    await look(owner)
    assert (await state(rig))[0] is AccountState.READY
    assert (await rig.carry(owner, rig.entry())).code == ReasonCode.KEY_UNCHECKED
    rig.account.key_findings = [GOOD]
    await round_of(owner, doctor)
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED


async def test_while_something_is_held_a_refused_key_stops_entries_and_no_exit(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    owner, doctor = await checked(rig)
    await look(owner)
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED
    rig.account.key_findings = [MAY_WITHDRAW]
    await round_of(owner, doctor)
    await look(owner)
    assert (await state(rig))[0] is AccountState.READY
    assert (await rig.carry(owner, rig.entry())).code == ReasonCode.KEY_UNCHECKED
    assert (await rig.carry(owner, rig.close())).outcome is OrderState.FILLED
    await look(owner)
    assert await state(rig) == (AccountState.PARKED, MAY_WITHDRAW.text)


async def test_with_paper_money_a_refused_key_is_only_a_warning(rig: Rig) -> None:
    rig.account.key_findings = [MAY_WITHDRAW]
    owner, doctor = await checked(rig, strict=False)
    await look(owner)
    await round_of(owner, doctor)
    found = await record(rig)
    assert (found["doctor"], found["doctor_until"], found["state"]) == ("refused", "", "ready")
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED
    assert rig.faults.standing == ()


async def test_a_pass_of_another_key_counts_for_nothing(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    await look((await checked(rig))[0])
    rig.account.key_findings = [MAY_WITHDRAW]
    owner, _ = await checked(rig, key="e" * 16)
    await look(owner)
    assert (await state(rig))[0] is AccountState.PARKED


async def test_a_pass_is_not_asked_for_again_by_the_next_owner_before_it_trades(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    await look((await checked(rig))[0])
    owner, doctor = await checked(rig)
    await look(owner)
    assert owner.venue.calls["check_key"] == 0
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED
    await doctor.round(owner.context.account, {})
    assert owner.venue.calls["check_key"] == 1


async def test_an_account_that_goes_over_to_real_money_needs_a_pass_of_its_own(rig: Rig) -> None:
    rig.account.key_findings = [MAY_WITHDRAW]
    owner, doctor = await checked(rig, strict=False)
    await look(owner)
    await round_of(owner, doctor)
    owner, _ = await checked(rig)
    await look(owner)
    assert (await record(rig))["doctor_until"] == "0"
    back, _ = await checked(rig, strict=False)
    await look(back)
    assert (await record(rig))["doctor_until"] == ""


async def test_a_locked_key_is_parked_in_the_venues_words_and_not_called_even_on_request(rig: Rig) -> None:
    owner, doctor = await checked(rig)
    account = owner.context.account
    owner.venue.fail("check_key", Rejected("EGeneral:Temporary lockout", Refusal.LOCKED))
    try:
        await look(owner)
    except Rejected as error:  # the keeper parks with it
        await account.park(error.words, error.refusal)
    assert account.silent
    calls = owner.venue.calls["check_key"]
    await doctor.round(account, {REQUEST: str(rig.clock.now)})
    assert owner.venue.calls["check_key"] == calls
    answer = DoctorAnswer.parse(pairs(await rig.bus.do("HGETALL", keys.doctor(USER, "kraken"))))
    assert "Temporary lockout" in answer.report.words


async def test_a_request_is_answered_once_with_every_finding(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    owner, doctor = await checked(rig)
    await look(owner)
    asked = {REQUEST: str(rig.clock.now + 5)}
    rig.clock.now += 10
    before = owner.venue.calls["check_key"]
    for _ in range(3):
        await doctor.round(owner.context.account, asked)
    assert owner.venue.calls["check_key"] == before + 1
    answer = DoctorAnswer.parse(pairs(await rig.bus.do("HGETALL", keys.doctor(USER, "kraken"))))
    assert answer.asked_at == int(asked[REQUEST])
    assert GOOD in answer.report.findings
    assert answer.report.grade is Grade.WARNING  # the clock has not been measured in this test


async def test_an_old_request_is_not_answered(rig: Rig) -> None:
    owner, doctor = await checked(rig, strict=False)
    doctor._due = time.monotonic() + 60
    await doctor.round(owner.context.account, {REQUEST: str(rig.clock.now - 61_000)})
    assert owner.venue.calls["check_key"] == 0


async def test_a_refusal_on_request_parks_and_nobody_else_is_touched(rig: Rig) -> None:
    rig.account.key_findings = [GOOD]
    owner, doctor = await checked(rig)
    await look(owner)
    owner.venue.fail("check_key", Rejected("EAPI:Invalid key", Refusal.AUTH))
    await doctor.round(owner.context.account, {REQUEST: str(rig.clock.now)})
    assert await state(rig) == (AccountState.PARKED, "EAPI:Invalid key")
    assert set(await rig.bus.scan(keys.account("*", "*"))) == {keys.account(USER, "kraken")}


async def test_the_venues_refusal_keeps_no_exit_back_while_the_account_can_still_be_read(rig: Rig) -> None:
    """A 401 now and then (Coinbase) is no bad key: the account's own reading decides, and an exit goes on."""
    rig.account.key_findings = [GOOD]
    owner, doctor = await checked(rig)
    await look(owner)
    assert (await rig.carry(owner, rig.entry())).outcome is OrderState.FILLED
    owner.venue.fail("check_key", Rejected("HTTP 401: Unauthorized", Refusal.AUTH), times=2)
    await round_of(owner, doctor)
    doctor._due = 0.0
    await look(owner)
    assert (await state(rig))[0] is AccountState.READY
    assert (await rig.carry(owner, rig.entry())).code == ReasonCode.KEY_UNCHECKED
    assert (await rig.carry(owner, rig.close())).outcome is OrderState.FILLED


async def test_with_paper_money_the_doctor_parks_for_a_lockout_alone(rig: Rig) -> None:
    owner, doctor = await checked(rig, strict=False)
    await look(owner)
    owner.venue.fail("check_key", Rejected("EAPI:Invalid key", Refusal.AUTH))
    await round_of(owner, doctor)
    assert (await state(rig))[0] is AccountState.READY
    owner.venue.fail("check_key", Rejected("EGeneral:Temporary lockout", Refusal.LOCKED))
    await round_of(owner, doctor)
    assert await state(rig) == (AccountState.PARKED, "EGeneral:Temporary lockout")
