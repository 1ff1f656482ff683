"""`ops stopouts`: current and past stop-outs: since when, until when and why."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.ledger.stopouts import StopOutRow, read_stopouts

_COLUMNS: Final = ["user", "venue", "state", "since (UTC)", "until (UTC)", "why"]

User = Annotated[str, typer.Option("--user", help="Only this user; all users if not given.")]
Count = Annotated[int, typer.Option("--count", min=1, max=1_000, help="How many recent entries to show per user.")]


def stopouts(user: User = "", count: Count = 20, as_json: AsJson = False) -> None:
    """Show stop-outs: since when, until when, and the loss behind each."""

    async def work(settings: Settings, bus: Bus) -> list[StopOutRow]:
        users = await select_users(settings, bus, user)
        return await read_stopouts(bus, users, time.time_ns() // 1_000_000, count)

    found = run_with_bus(work)
    if as_json:
        print_json({"stopouts": [line.row() for line in found], "in_force": sum(line.in_force for line in found)})
        return
    rows = [
        (
            line.user,
            line.venue,
            "STOPPED" if line.in_force else "ended",
            clock(line.since),
            clock(line.until),
            " ".join(filter(None, (line.rules, line.action and f"({line.action}):", line.reason))),
        )
        for line in found
    ]
    console().print(table("Stop-outs", _COLUMNS, rows, empty="no stop-outs"))
