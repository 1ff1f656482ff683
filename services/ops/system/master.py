"""`ops master`: each account of the master, its coins, the position that users follow, and the orders that were not copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, clock, console, money, print_json, table
from services.ops.runner import run_with_bus
from shared.bus.connection import Bus
from shared.bus.master.master_account import read_all_uncopied, read_holdings, read_positions
from shared.bus.master.master_places import MasterPlace, place_label, read_master_places
from shared.bus.state.records import Records
from shared.config.settings import Settings
from shared.contracts import keys
from shared.domain.values.money import ZERO, plain
from shared.domain.values.venue import VenueName

_LAST: Final = 20

Last = Annotated[int, typer.Option("--last", min=1, help="How many of the orders that were not copied to show.")]
At = Annotated[VenueName | None, typer.Option("--venue", help="Only the account at this venue; by default all.")]
Row = dict[str, str]


def master(last: Last = _LAST, venue: At = None, as_json: AsJson = False) -> None:
    """Show each account of the master, what it holds, what of it users follow, and which orders were not copied and why."""

    async def look(settings: Settings, bus: Bus) -> tuple[list[Row], tuple[list[Row], list[Row], int]]:
        del settings
        places = [place for place in await read_master_places(bus) if venue in {None, place.venue}]
        return await read_accounts(bus, places), await read(bus, last, places)

    accounts, (holdings, uncopied, of_all) = run_with_bus(look)
    if as_json:
        print_json({"accounts": accounts, "holdings": holdings, "not_copied": uncopied, "not_copied_of_all": of_all})
        return
    out = console()
    columns = ["venue", "state", "equity", "cash", "as of", "reason"]
    rows = [
        (each["venue"], each["state"], _money(each, "equity"), _money(each, "cash"), each["as_of"], each["reason"])
        for each in accounts
    ]
    out.print(table("Masters", columns, rows, empty="no master is known yet"))
    out.print()
    if holdings:
        columns = ["venue", "coin", "account", "position", "separate", "baseline", "as of"]
        out.print(table("The master's account", columns, [list(row.values()) for row in holdings]))
    else:
        out.print("No holdings are known: the master has not read its account yet, or it holds no coins.")
    out.print()
    if uncopied:
        columns = ["at", "venue", "order", "symbol", "side", "size", "reason", "why"]
        title = f"Not copied (the last {len(uncopied)} of {of_all})"
        out.print(table(title, columns, [list(row.values()) for row in uncopied]))
    else:
        out.print("Every order of the master's account was copied.")


async def read_accounts(bus: Bus, places: Sequence[MasterPlace]) -> list[Row]:
    """Read the master's accounts that have a record. Raises BusUnavailable."""
    found = await Records(bus).accounts(places)
    return [
        {
            "venue": place_label(each.user, each.venue),
            "state": each.state.value,
            "equity": plain(each.equity.amount) if each.equity else "",
            "cash": plain(each.cash.amount) if each.cash else "",
            "currency": each.cash.currency if each.cash else "",
            "as_of": clock(each.as_of),
            "reason": each.reason,
        }
        for each in found
        if each is not None
    ]


def _money(row: Row, name: str) -> str:
    return money(row[name] or None, row["currency"])


async def read(bus: Bus, last: int, places: Sequence[MasterPlace]) -> tuple[list[Row], list[Row], int]:
    """Read the coins of the accounts and the latest orders that were not copied. Raises BusUnavailable."""
    holdings: list[Row] = []
    uncopied = []
    for owner, venue in places:
        label = place_label(owner, venue)
        positions, _ = await read_positions(bus, keys.positions(owner, venue))
        for coin, held in sorted((await read_holdings(bus, venue, owner)).items()):
            mine = sum((each.size.amount for symbol, each in positions.items() if symbol.base == coin), start=ZERO)
            holdings.append(
                {
                    "venue": label,
                    "coin": coin,
                    "account": plain(held.total.amount),
                    "position": plain(mine),
                    "apart": plain(held.apart.amount),
                    "baseline": held.baseline.value,
                    "as_of": clock(held.as_of),
                }
            )
        uncopied += [(label, row) for row in (await read_all_uncopied(bus, venue, owner)).values()]
    uncopied.sort(key=lambda each: -each[1].at)
    rows = [
        {
            "at": clock(row.at),
            "venue": venue,
            "order": row.id,
            "symbol": row.symbol or "-",
            "side": row.side.value if row.side else "-",
            "size": str(row.size) if row.size else "-",
            "reason": row.reason,
            "why": row.why,
        }
        for venue, row in uncopied[:last]
    ]
    return holdings, rows, len(uncopied)
