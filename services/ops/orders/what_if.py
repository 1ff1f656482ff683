"""`ops what-if`: what other settings would have decided about the signals that a user has had, by the live decision code.

It reads only. Without `--set` it repeats what was decided: all of it has to come out the same.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.tabular import PER_PAGE, Page, page_of
from services.ops.users import list_users, require_known
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.domain.limits.risk_state import DAY_MS
from shared.what_if.changed_settings import SettingsChange, WhatIfRefused, parse_changes
from shared.what_if.views import (
    ASSUMPTIONS,
    effect_words,
    mismatch_words,
    notes_of,
    rows_of,
    what_if_json,
)
from shared.what_if.what_if import WhatIf, run_what_if

_DAYS: Final = 30
_SHOWN: Final = 20
"""Mismatches that are shown; --json has all."""

User = Annotated[str, typer.Argument(help="The user.", show_default=False)]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A changed setting, as sizing.multiplier=0.5; several are possible."
    ),
]
From = Annotated[
    str, typer.Option("--from", help="First day or instant (UTC), as 2026-11-01; 30 days ago if not given.")
]
To = Annotated[str, typer.Option("--to", help="The day or instant after the last one (UTC); now if not given.")]


def what_if(
    user: User, changes: Changes = None, start: From = "", end: To = "", number: Page = 1, as_json: AsJson = False
) -> None:
    """Show what other settings would have decided about a user's past signals, and the estimated effect."""
    change = _parsed(changes or [])
    begin = _instant("--from", start)
    if begin is None:
        begin = time.time_ns() // 1_000_000 - _DAYS * DAY_MS
    until = _instant("--to", end)
    if until is not None and until <= begin:
        raise ConfigurationError("--to must be after --from")

    async def work(settings: Settings, bus: Bus) -> WhatIf:
        require_known(user, await list_users(settings, bus))
        try:
            return await run_what_if(bus, user, change, begin, until)
        except WhatIfRefused as error:
            raise ConfigurationError(f"--set: {error}") from None

    found = run_with_bus(work)
    if as_json:
        print_json(what_if_json(found))
    else:
        _show(found, number)
    if not found.equal:
        sys.exit(1)


def _parsed(changes: list[str]) -> SettingsChange:
    try:
        return parse_changes(changes)
    except WhatIfRefused as error:
        raise ConfigurationError(f"--set: {error}") from None


def _instant(option: str, text: str) -> int | None:
    """Parse a day or an instant in UTC to epoch ms; None if it was not given. Raises ConfigurationError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option}: write a day as 2026-11-01, or an instant as 2026-11-01T12:00") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _show(found: WhatIf, number: int) -> None:
    out = console()
    equal = found.repeated - len(found.mismatches)
    period = f" from {clock(found.first)} to {clock(found.last)} UTC" if found.first else ""
    out.print(f"{found.user}: {equal} of {found.repeated} decisions{period} come out as recorded", markup=False)
    for each in found.mismatches[:_SHOWN]:
        out.print(f"  {mismatch_words(each)}", markup=False, style="bold")
    if len(found.mismatches) > _SHOWN:
        out.print(f"  and {len(found.mismatches) - _SHOWN} more; --json has all", markup=False)
    if found.change:
        _show_change(found, number)
    for note in notes_of(found):
        out.print(f"note: {note}", markup=False)


def _show_change(found: WhatIf, number: int) -> None:
    out = console()
    rows, said = page_of(rows_of(found), number, PER_PAGE)
    typed = [f"{key} = {value or 'not set'}" for key, value in found.change.typed]
    title = f"With {', '.join(typed)}"
    columns = ["time (UTC)", "symbol", "recorded", "with the change", "why"]
    shown = [(clock(row.at), row.symbol, row.recorded, row.would_be, row.reason) for row in rows]
    out.print()
    out.print(table(title, columns, shown, empty="every decision stays the same"))
    if said:
        out.print(said, markup=False)
    out.print()
    for line in effect_words(found):
        out.print(line, markup=False)
    out.print(ASSUMPTIONS, markup=False, style="dim")
