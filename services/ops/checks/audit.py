"""`ops audit`: check that every signal is settled exactly once for every user and that the venue's journal agrees."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer
from rich.console import Console

from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import list_users
from shared.bus.connection import Bus
from shared.bus.users.user_index import scan_users
from shared.config.keys.paper_token import read_paper_token
from shared.config.settings import Settings
from shared.domain.funds import Funds
from shared.domain.values.money import plain
from shared.ledger.audit.auditor import read_marks, run_audit
from shared.ledger.audit.facts import AuditTime
from shared.ledger.audit.findings import AuditReport, AuditTally

_APART: Final = frozenset({"ok", "outcomes", "found", "findings", "followed", "books", "books_corrected"})
"""Figures that are not rows of the first table."""
_GRACE: Final = 30.0
"""Seconds in which a new owner of a user settles what waits: another process takes the user in (7.5, or the 12 of a dead owner's
lease), and the venue's list proves what was not sent before (8). An audit in between must not cry wolf."""
Grace = Annotated[
    float, typer.Option(min=0, help="Seconds that a decision or outcome may take before it counts as missing.")
]
NoVenue = Annotated[bool, typer.Option("--no-venue", help="Do not ask the paper exchange for its journal.")]


def audit(grace: Grace = _GRACE, no_venue: NoVenue = False, as_json: AsJson = False) -> None:
    """Check that every signal has exactly one outcome for every user, and that venue and masters' books agree; exit 1 if not."""

    async def work(settings: Settings, bus: Bus) -> AuditReport:
        await list_users(
            settings, bus
        )  # for its warnings about users' files; the audit covers all users that Redis knows
        return await read(settings, bus, grace, ask_venue=not no_venue)

    report = run_with_bus(work)
    if as_json:
        print_json(report.summary())
    else:
        _show(report)
    raise typer.Exit(0 if report.ok else 1)


async def read(settings: Settings, bus: Bus, grace: float, *, ask_venue: bool) -> AuditReport:
    """Run the audit, and compare users on paper money with the exchange's journal. Raises ConfigurationError, BusUnavailable."""
    unmarked = settings.funds(paper=False)
    if not ask_venue or not await _has_paper_users(bus, unmarked):
        return await run_audit(bus, _audit_time(grace), None, 0, unmarked)
    from services.ops.system.paper_exchange import open_paper_exchange  # noqa: PLC0415  # an HTTP client that nothing else here needs

    async with open_paper_exchange(settings.paper_url, read_paper_token(settings)) as exchange:
        moment = _audit_time(grace)  # before the journal is read: orders that end later are not compared with it
        journal = await exchange.journal()
    return await run_audit(bus, moment, journal.orders, journal.invalid_nonces, unmarked)


async def _has_paper_users(bus: Bus, unmarked: Funds) -> bool:
    """Return whether any user is on paper money; in paper mode all are."""
    marks = await read_marks(bus, await scan_users(bus))
    return unmarked is Funds.PAPER or any(mark.funds is Funds.PAPER for mark in marks.values())


def _audit_time(grace: float) -> AuditTime:
    return AuditTime(now=time.time_ns() // 1_000_000, grace_ms=int(grace * 1000))


def _show(report: AuditReport) -> None:
    out = console()
    figures = report.summary()
    shown = {name: figures[name] for name in figures if name not in _APART}
    outcomes = report.tally.outcomes
    out.print(table("Audit", ["what", "count"], shown.items()))
    out.print()
    out.print(table("Outcomes", ["outcome", "count"], sorted(outcomes.items())))
    _show_books(out, report.tally)
    if report.tally.findings:
        out.print()
        rows = [(each.kind.value, each.user, each.subject, each.detail) for each in report.tally.findings]
        out.print(table("Findings", ["finding", "user", "order or entry", "detail"], rows))
        hidden = report.tally.found.total() - len(rows)
        if hidden:
            out.print(f"... and {hidden} more")
    out.print()
    for note in _notes(report):
        out.print(note, markup=False)
    out.print("[bold green]OK[/]: nothing missing, nothing duplicated" if report.ok else "[bold red]NOT OK[/]")


def _show_books(out: Console, tally: AuditTally) -> None:
    """Show how far the books of named masters are proven, and which were corrected; nothing if there are none."""
    if not tally.books:
        return
    out.print()
    out.print(table("Books of named masters", ["what", "count"], sorted(tally.books.items())))
    if tally.corrected:
        columns = ["user", "venue", "symbol", "master", "state", "held", "reports", "corrections", "not attributed"]
        rows = [
            (each.user, *each.key, each.state, *map(plain, (each.held, each.reported, each.corrected, each.difference)))
            for each in tally.corrected
        ]
        out.print()
        out.print(table("Books that were corrected, or are not proven", columns, rows))


def _notes(report: AuditReport) -> list[str]:
    notes = []
    if not report.venue_checked:
        notes.append("The venue's journal was not compared.")
    elif others := sorted({*report.users} - {*report.compared}):
        notes.append(
            f"Not compared with the paper exchange's journal, because they are on real money: {', '.join(others)}."
        )
    if not report.signals:
        notes.append("There are no signals yet.")
    elif not report.followed:
        notes.append("No user follows yet: the copy engine has recorded none, so no decision was due.")
    if report.tally.open:
        notes.append(f"{report.tally.open} still open: younger than the grace period.")
    return notes
