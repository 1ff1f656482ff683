"""`ops streams`: the length of each stream, how far each group has read, and the newest entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.tabular import Page, page_of
from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_ms, read_entries
from shared.config.settings import Settings
from shared.contracts import keys
from shared.ledger.backlog import Backlog, read_backlog

Count = Annotated[
    int, typer.Option("--count", "-n", min=1, max=1000, help="How many recent entries to show per stream.")
]
User = Annotated[str, typer.Option("--user", help="Only this user's streams.")]

_TERMS: Final = (
    ("decision", "{}"), ("outcome", "{}"), ("kind", "{}"), ("side", "{}"), ("filled_size", "{}"), ("base_size", "{}"),
    ("symbol", "{}"), ("fraction", "fraction {}"), ("average_price", "at {}"), ("price", "at {}"), ("limit_price", "limit {}"),
    ("fee", "fee {}"),
)  # fmt: skip
"""How fields are shown, in this order; blank or absent ones are left out. --json shows every field."""


def streams(count: Count = 5, user: User = "", number: Page = 1, as_json: AsJson = False) -> None:
    """Show the streams: lengths, groups, and the newest entries; of many users a page, with --json all."""

    async def work(settings: Settings, bus: Bus) -> tuple[list[Backlog], list[tuple[str, list[Entry]]], str]:
        users: Sequence[str] = await select_users(settings, bus, user)
        said = ""
        if not as_json:
            users, said = page_of(users, number)
        names = [keys.SIGNALS, *(name for each in users for name in (keys.orders(each), keys.reports(each)))]
        return await read_backlog(bus, users), await newest(bus, names, count), said

    backlog, found, said = run_with_bus(work)
    if as_json:
        print_json({"groups": [_group(each) for each in backlog], "entries": _entries(found)})
    else:
        _show(backlog, found)
        if said:
            print(said)


async def newest(bus: Bus, names: Sequence[str], count: int) -> list[tuple[str, list[Entry]]]:
    """Read the newest entries of each stream, in the stream's order."""
    answers = await bus.do_all([("XREVRANGE", name, "+", "-", "COUNT", count) for name in names])
    return [
        (name, read_entries(name, rows if isinstance(rows, list) else [])[::-1])
        for name, rows in zip(names, answers, strict=True)
    ]


def _show(backlog: Sequence[Backlog], found: Sequence[tuple[str, list[Entry]]]) -> None:
    out = console()
    rows = [(each.stream, each.group or "-", each.length, *_progress(each)) for each in backlog]
    out.print(table("Groups", ["stream", "group", "entries", "pending", "lag", "last delivered"], rows))
    for name, entries in found:
        out.print()
        shown = [(each.id, clock(entry_ms(each.id)), describe(each)) for each in entries]
        out.print(table(name, ["entry", "at (UTC)", "what"], shown, empty="no entry yet"))


def describe(entry: Entry) -> str:
    """Describe an entry of any stream: its facts, then a line with its reason or the signal's id."""
    fields = entry.fields
    facts = " ".join(words.format(fields[name]) for name, words in _TERMS if fields.get(name))
    more = fields.get("reason", "") or (fields.get("id", "") if "decision" not in fields else "")
    return f"{facts}\n{more}".rstrip()


def _progress(backlog: Backlog) -> tuple[object, object, str]:
    return backlog.pending, "?" if backlog.lag is None else backlog.lag, backlog.last_delivered or "-"


def _group(backlog: Backlog) -> dict[str, object]:
    return {
        "stream": backlog.stream,
        "group": backlog.group,
        "length": backlog.length,
        "pending": backlog.pending,
        "lag": backlog.lag,
        "last_delivered": backlog.last_delivered,
        "dead": backlog.dead,
    }


def _entries(found: Sequence[tuple[str, list[Entry]]]) -> dict[str, list[dict[str, str]]]:
    return {name: [{"entry_id": each.id, **each.fields} for each in entries] for name, entries in found}
