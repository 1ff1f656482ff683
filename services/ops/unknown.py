"""`ops unknown`: orders whose outcome nobody knows yet. Executors ask on; a person may end it (`ops resolve`)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from services.ops.output import AsJson, console, print_json, table
from services.ops.session import connected
from services.ops.users import names_of
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.ledger.attention import read_unproven
from shared.ledger.views import UnprovenView

User = Annotated[str, typer.Option("--user", help="Only this user.")]


def unknown(user: User = "", as_json: AsJson = False) -> None:
    """List the orders whose outcome is not known yet: sent, and nothing proves what became of them."""

    async def work(settings: Settings, bus: Bus) -> list[UnprovenView]:
        users = [user] if user else await names_of(settings, bus)
        return [UnprovenView.of(each) for each in await read_unproven(bus, users)]

    found = connected(work)
    if as_json:
        print_json({"unknown": [each.model_dump(mode="json") for each in found]})
    else:
        console().print(unknown_table(found))


def unknown_table(found: Iterable[UnprovenView]) -> Table:
    """Lay them out with their age."""
    now = time.time_ns() // 1_000_000
    columns = ["user", "order", "state", "trade", "asked", "age", "last reason"]
    rows = [
        (
            each.user,
            each.order_id,
            each.state,
            f"{each.side} {each.symbol}",
            each.base_size,
            "-" if each.sent_at is None else f"{max(now - each.sent_at, 0) / 1000:.0f} s",
            each.reason,
        )
        for each in found
    ]
    return table("Outcome unknown", columns, rows)
