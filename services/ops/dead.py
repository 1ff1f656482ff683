"""`ops dead`: what was buried because nobody could read it."""

from __future__ import annotations

from typing import Annotated

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.session import connected, refuse
from services.ops.streams import newest
from shared.bus.connection import Bus
from shared.bus.streams import Entry, entry_ms
from shared.config.settings import Settings
from shared.contracts import keys

_MOST = 1_000
Stream = Annotated[str, typer.Argument(help="The stream that the entry came from, for example shoal:signals.")]
EntryId = Annotated[str, typer.Argument(metavar="ENTRY", help="The entry's id in that stream.")]


def build() -> typer.Typer:
    """Put the two commands together."""
    app = typer.Typer(no_args_is_help=True, help="Dead letters: entries that nobody could read.")
    app.command("list")(dead_list)
    app.command("show")(dead_show)
    return app


def dead_list(as_json: AsJson = False) -> None:
    """List the dead letters of all streams."""

    async def work(_settings: Settings, bus: Bus) -> list[tuple[str, list[Entry]]]:
        return await newest(bus, sorted(set(await bus.scan(keys.dead("*")))), _MOST)

    rows = [_row(name, entry) for name, entries in connected(work) for entry in entries]
    if as_json:
        print_json({"dead_letters": rows})
        return
    shown = [(row["stream"], row["entry_id"], row["at"], row["reason"]) for row in rows]
    console().print(table("Dead letters", ["stream", "entry", "buried (UTC)", "reason"], shown))


def dead_show(stream: Stream, entry: EntryId, as_json: AsJson = False) -> None:
    """Show one dead letter with all its fields."""

    async def work(_settings: Settings, bus: Bus) -> list[tuple[str, list[Entry]]]:
        return await newest(bus, [keys.dead(stream)], _MOST)

    buried = [each for _, entries in connected(work) for each in entries if each.fields.get("entry_id") == entry]
    if not buried:
        refuse(f"no dead letter {entry} of {stream} (see `ops dead list`)")
    row = _row(keys.dead(stream), buried[-1])
    fields = {
        name.removeprefix("field:"): value for name, value in buried[-1].fields.items() if name.startswith("field:")
    }
    if as_json:
        print_json({**row, "fields": fields})
    else:
        console().print(table(f"{row['stream']} {entry}: {row['reason']}", ["field", "value"], fields.items()))


def _row(name: str, entry: Entry) -> dict[str, str]:
    return {
        "stream": name.removeprefix(keys.dead("")),
        "entry_id": entry.fields.get("entry_id", ""),
        "group": entry.fields.get("group", ""),
        "at": clock(entry_ms(entry.id)),
        "reason": entry.fields.get("reason", ""),
    }
