"""`ops resting`: the resting orders that are mirrored now, beside the master's."""

from __future__ import annotations

from typing import Annotated

import typer

from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.ledger.resting import RestingOrderView, read_resting

User = Annotated[str, typer.Option("--user", help="Only this user.")]


def resting(user: User = "", as_json: AsJson = False) -> None:
    """List the master's resting orders that users mirror (`orders = "mirror"`), and what became of each user's."""

    async def work(settings: Settings, bus: Bus) -> tuple[list[RestingOrderView], dict[str, str]]:
        return await read_resting(bus, await select_users(settings, bus, user))

    found, unreadable = run_with_bus(work)
    if as_json:
        print_json({"resting": [each.model_dump(mode="json") for each in found], "unreadable": unreadable})
        return
    rows = [(each.user, each.order_id, _words(each)) for each in found]
    out = console()
    out.print(
        table("Mirrored orders", ["user", "order", "the master's, the user's"], rows, empty="no order is mirrored now")
    )
    for name, why in unreadable.items():
        out.print(f"{name}: the record cannot be read: {why}")


def _words(each: RestingOrderView) -> str:
    base, quote = each.symbol.split("/")
    ended = ", ended" if each.master_ended else ""
    masters = f"master: {each.side} {each.master_size} {base} at {each.master_limit} {quote}, {each.master_filled} filled{ended}"
    own = f"{each.size} {base} at {each.limit_price} {quote}" if each.venue_order_id else "nothing rests"
    return f"{masters}\nuser: {own}, {each.filled} filled ({each.state})\n{each.reason}".rstrip()
