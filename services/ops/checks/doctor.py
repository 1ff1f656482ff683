"""`ops doctor`: check the API keys of users, or of the master, and say what to do about each finding.

The process that serves an account makes the check, because every call needs a permit of its own. For an account that no process
serves it is made here, under the account's lease, if the key is in this environment (`doctor_here.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.ops.checks.doctor_here import check_here
from services.ops.output import AsJson, console, print_json
from services.ops.runner import run_with_bus
from services.ops.users import read_policies, require_known
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_places
from shared.bus.order.interventions import ask_for_key_check
from shared.bus.state.records import Records, pairs
from shared.bus.state.venue_time import VenueTimes
from shared.config.masters import load_master_files
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.doctor import DoctorAnswer, DoctorRequest
from shared.contracts.fields import MalformedMessageError
from shared.domain.account import MASTER, AccountState
from shared.domain.key_report import Finding, Grade, KeyCheck, KeyReport, refused, unknown
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.venue import SUPPORTED_VENUES, VENUES
from shared.ledger.too_small import judge_minimums, read_recent_entries

_PATIENCE: Final = 45.0
"""Seconds to wait for answers: an executor looks every 2 s, and a check is up to six calls."""
_POLL: Final = 0.25
_STYLES: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.UNKNOWN: "magenta", Grade.REFUSED: "bold red"}

Who = Annotated[str, typer.Argument(metavar="[USER]", help="Only this user; all users if neither this nor --master.")]
Everybody = Annotated[bool, typer.Option("--all", help="All users, and the master.")]
Master = Annotated[bool, typer.Option("--master", help="The master account.")]


@dataclass(frozen=True, slots=True)
class Patient:
    """An account whose key is checked; `policy` is None for the master."""

    owner: str
    venue: str
    policy: UserPolicy | None = field(compare=False)


def doctor(user: Who = "", everybody: Everybody = False, master: Master = False, as_json: AsJson = False) -> None:
    """Check API keys: rights, nonce, IP list, expiry, clock, balances; exit 1 if one is refused or could not be checked."""

    async def work(settings: Settings, bus: Bus) -> Mapping[Patient, KeyReport]:
        patients = await _patients(settings, bus, user, everybody=everybody, master=master)
        return await _with_minimums(bus, await check(settings, bus, patients))

    reports = run_with_bus(work)
    if as_json:
        print_json({"ok": _good(reports), "accounts": [_row(each, report) for each, report in reports.items()]})
    else:
        _show(console(), reports)
    raise typer.Exit(0 if _good(reports) else 1)


async def check(settings: Settings, bus: Bus, patients: Sequence[Patient]) -> dict[Patient, KeyReport]:
    """Have each account's key checked by the process that serves it, or here. Raises BusUnavailable."""
    owners = sorted({each.owner for each in patients})
    leases = await bus.do_all([("GET", keys.lease(owner)) for owner in owners])
    served = {owner for owner, lease in zip(owners, leases, strict=True) if lease}
    asked = [each for each in patients if each.owner in served]
    reports = await _ask(bus, asked) if asked else {}
    for each in patients:
        if each.owner not in served:
            reports[each] = await check_here(settings, bus, each.owner, each.venue, each.policy)
    return {each: reports[each] for each in patients}


async def _ask(bus: Bus, patients: Sequence[Patient]) -> dict[Patient, KeyReport]:
    times = VenueTimes(bus, VENUES, lambda: time.time_ns() // 1_000_000)
    await times.refresh()  # the age of a request is judged by the venue's time
    request = DoctorRequest(doctor_asked_at=times())
    for owner in sorted({each.owner for each in patients}):
        await ask_for_key_check(bus, owner, request)
    found: dict[Patient, KeyReport] = {}
    end = time.monotonic() + _PATIENCE
    while len(found) < len(patients) and time.monotonic() < end:
        waiting = [each for each in patients if each not in found]
        answers = await bus.do_all([("HGETALL", keys.doctor(each.owner, each.venue)) for each in waiting])
        for each, answer in zip(waiting, answers, strict=True):
            if (report := _answer(pairs(answer), request)) is not None:
                found[each] = report
        await asyncio.sleep(_POLL)
    parked = await _parked(bus, [each for each in patients if each not in found])
    silent = unknown(
        KeyCheck.SIGNATURE, "the process that serves this account did not answer; look at its log, and ask again"
    )
    return {each: found.get(each) or KeyReport((parked.get(each, silent),)) for each in patients}


async def _parked(bus: Bus, patients: Sequence[Patient]) -> dict[Patient, Finding]:
    """Return why accounts are parked: what serves a master whose session cannot begin answers no request."""
    accounts = await Records(bus).accounts([(each.owner, each.venue) for each in patients])
    return {
        each: refused(KeyCheck.SIGNATURE, f"the account is parked: {account.reason}")
        for each, account in zip(patients, accounts, strict=True)
        if account is not None and account.state is AccountState.PARKED
    }


def _answer(fields: Mapping[str, str], request: DoctorRequest) -> KeyReport | None:
    try:
        answer = DoctorAnswer.parse(fields)
        report = answer.report
    except MalformedMessageError:
        return None
    return report if answer.asked_at >= request.doctor_asked_at else None


async def _patients(settings: Settings, bus: Bus, user: str, *, everybody: bool, master: bool) -> list[Patient]:
    """Return the accounts that were named; every enabled user's if none was. Raises ConfigurationError for an unknown user."""
    policies = await read_policies(settings, bus)
    if user:
        require_known(user, policies, option="")
    found = []
    if master or everybody:
        places = await read_master_places(bus)
        recorded = await Records(bus).accounts(places)
        known = [(*place,) for place, account in zip(places, recorded, strict=True) if account is not None]
        files = load_master_files(settings.shoal_config)
        known += [
            (each.owner, each.venue) for each in files.values() if each.key and (each.owner, each.venue) not in known
        ]
        found += [Patient(*place, None) for place in known or [(MASTER, venue) for venue in SUPPORTED_VENUES]]
    if user or everybody or not master:
        chosen = [policies[user]] if user else [each for each in policies.values() if each.enabled]
        found += [Patient(policy.user, venue, policy) for policy in chosen for venue in policy.venues]
    return found


async def _with_minimums(bus: Bus, reports: Mapping[Patient, KeyReport]) -> dict[Patient, KeyReport]:
    """Add to each user's report how many of the master's recent entries are too small for the account."""
    entries, records = await read_recent_entries(bus), Records(bus)
    instruments = {venue: await records.instruments(venue) for venue in {each.venue for each in reports}}
    found = {}
    for each, report in reports.items():
        found[each] = report
        if each.policy is not None and report.grade is not Grade.REFUSED:
            (account,) = await records.accounts([(each.owner, each.venue)])
            mine = [entry for entry in entries if each.policy.venue_for(entry.leader) == each.venue]
            finding = judge_minimums(mine, each.policy, account, instruments[each.venue])
            found[each] = report.plus([finding])
    return found


def _good(reports: Mapping[Patient, KeyReport]) -> bool:
    return all(report.passed for report in reports.values())


def _row(patient: Patient, report: KeyReport) -> dict[str, object]:
    findings = [{"check": each.check, "result": each.grade, "text": each.text} for each in report.findings]
    return {"user": patient.owner, "venue": patient.venue, "result": report.grade, "findings": findings}


def _show(out: Console, reports: Mapping[Patient, KeyReport]) -> None:
    for patient, report in reports.items():
        out.print(
            Text.assemble((f"{patient.owner} at {patient.venue}: ", "bold"), (report.grade, _STYLES[report.grade]))
        )
        rows = Table.grid(padding=(0, 2, 0, 0))
        for each in report.findings:
            rows.add_row(Text(each.grade, _STYLES[each.grade]), Text(each.check, no_wrap=True), Text(each.text))
        out.print(rows)
        out.print()
    if not reports:
        out.print("there is no enabled user to check")
    elif _good(reports):
        out.print("[bold green]OK[/]: no key is refused")
    else:
        bad = sum(not report.passed for report in reports.values())
        out.print(f"[bold red]NOT OK[/]: {bad} of {len(reports)} accounts are refused or could not be checked")
