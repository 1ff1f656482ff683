"""`ops log`: the control log: who changed what, when and why, from the page, by the API or from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.operations.control_log import Change, read_changes

_MOST: Final = 1_000
_PAGE: Final = 500

User = Annotated[str, typer.Option("--user", help="Only what was changed for this user; everything if not given.")]
Count = Annotated[int, typer.Option("--count", min=1, max=_MOST, help="How many recent changes to show.")]


def log(user: User = "", count: Count = 20, as_json: AsJson = False) -> None:
    """Show who changed what, when and why, newest first."""

    async def work(settings: Settings, bus: Bus) -> Sequence[Change]:
        if not user:
            return await read_changes(bus, count)
        await select_users(settings, bus, user, master=True)
        return await _of_user(bus, user, count)

    changes = run_with_bus(work)
    if as_json:
        print_json({"changes": [asdict(each) for each in changes]})
        return
    rows = [(clock(each.at), each.by, each.of, each.action, each.reason, each.effect) for each in changes]
    columns = ["at (UTC)", "by", "what", "action", "reason", "effect"]
    console().print(table("Control log", columns, rows, empty="nothing has been changed by anybody"))


async def _of_user(bus: Bus, user: str, count: int) -> list[Change]:
    """Read the newest changes of one user: their switch, settings, orders and dead letters. Raises BusUnavailable."""
    found: list[Change] = []
    before = ""
    while len(found) < count and (page := await read_changes(bus, _PAGE, before)):
        found += [each for each in page if _is_of(each, user)]
        before = page[-1].id
    return found[:count]


def _is_of(change: Change, user: str) -> bool:
    return change.of.split(" ", 1)[0] == user or f"{{{user}}}" in change.of
