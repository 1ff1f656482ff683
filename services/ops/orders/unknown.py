"""`ops unknown`: unresolved orders. Executors and master keep asking the venue; an operator can settle one (`ops resolve`)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console

from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.ledger.open_issues import read_unresolved
from shared.ledger.views import UnresolvedOrderView

User = Annotated[str, typer.Option("--user", help="Only this user (`master`: the master account).")]


def unknown(user: User = "", as_json: AsJson = False) -> None:
    """List unresolved orders: sent, with no proof yet of their outcome."""

    async def work(settings: Settings, bus: Bus) -> list[UnresolvedOrderView]:
        users = await select_users(settings, bus, user, master=True)
        return [UnresolvedOrderView.of(each) for each in await read_unresolved(bus, users)]

    found = run_with_bus(work)
    if as_json:
        print_json({"unknown": [each.model_dump(mode="json") for each in found]})
    else:
        show_unknown(console(), found)


def show_unknown(out: Console, found: Iterable[UnresolvedOrderView]) -> None:
    """Show each order with its age, and its whole id, to be copied into `ops resolve`."""
    now = time.time_ns() // 1_000_000
    rows = []
    for each in found:
        age = "-" if each.sent_at is None else f"{max(now - each.sent_at, 0) / 1000:.0f} s"
        trade = f"{each.side} {each.base_size} {each.symbol}"
        rows.append((each.user, each.order_id, f"{each.state} {age}\n{trade}\n{each.reason}".rstrip()))
    columns = ["user", "order", "state and age, trade, last reason"]
    out.print(table("Outcome unknown", columns, rows, empty="no order has an unknown outcome"))
