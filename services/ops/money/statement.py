"""`ops statement`: why a user's result of a month differs from the master's, in parts that add up exactly."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, console, print_json, table, write_private
from services.ops.runner import run_with_bus
from services.ops.users import list_users, require_known
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.ledger.statement.month import Month
from shared.ledger.statement.reader import read_statement
from shared.ledger.statement.shown.html_file import facts, statement_html
from shared.ledger.statement.shown.views import statement_csv, statement_json
from shared.ledger.statement.statement import AccountStatement, Statement

_INDENT: Final = "   "

User = Annotated[str, typer.Option("--user", help="The user.")]
OfMonth = Annotated[
    str, typer.Option("--month", help="A calendar month in UTC, as 2026-11; the present one if not given.")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the rows of a CSV file, with exact amounts.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write one HTML file that needs nothing else.")]


def statement(
    user: User, month: OfMonth = "", as_csv: AsCsv = False, html: Html = None, as_json: AsJson = False
) -> None:
    """Explain why a user's result of a month differs from the master's, in parts that add up exactly."""
    now = time.time_ns() // 1_000_000
    wanted = _month(month, now)

    async def work(settings: Settings, bus: Bus) -> Statement:
        require_known(user, await list_users(settings, bus))
        return await read_statement(bus, user, wanted, now)

    found = run_with_bus(work)
    if html is not None:
        write_private("--html", html, statement_html(found, now))
    if as_json:
        print_json(statement_json(found))
    elif as_csv:
        print(statement_csv(found), end="")
    elif html is None:
        _print(found)


def _month(text: str, now: int) -> Month:
    if not text:
        return Month.of(now)
    try:
        return Month.parse(text)
    except ValueError as error:
        raise ConfigurationError(f"--month: {error}") from None


def _print(found: Statement) -> None:
    out = console()
    running = ", not ended yet" if found.running else ""
    for account in found.accounts:
        title = f"{found.user}, {found.month}{running}: {account.title}"
        out.print(table(title, ["part", account.currency], _rows(account)))
        out.print(facts(account), style="dim", markup=False)
        for note in account.notes:
            out.print(note, style="dim", markup=False)
    if not found.accounts:
        out.print(f"{found.user}, {found.month}: nothing was decided or held", markup=False)
    for note in found.notes:
        out.print(note, style="dim", markup=False)


def _rows(account: AccountStatement) -> list[tuple[str, str]]:
    rows = [("the master's result at scale", _plain(account.at_scale_shown))]
    for part in account.parts:
        rows.append((_counted(part.title, part.count), _signed(part.shown)))
        rows += [(_INDENT + _counted(line.words, line.count), _signed(line.shown)) for line in part.lines]
    rows += [("the difference", _signed(account.gap_shown)), ("the user's result", _plain(account.result_shown))]
    width = max(len(amount) for _, amount in rows)
    return [(words, amount.rjust(width)) for words, amount in rows]


def _plain(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _signed(amount: Decimal) -> str:
    return f"{amount:+,.2f}" if amount else "0.00"


def _counted(words: str, count: int | None) -> str:
    return f"{words} ({count})" if count else words
