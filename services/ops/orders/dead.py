"""`ops dead`: list, show, retry or drop dead letters, the entries that no service could read."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import refuse, run_with_bus
from services.ops.system.streams import newest
from services.ops.users import list_users
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_ms
from shared.bus.state.records import existing
from shared.config.settings import Settings
from shared.contracts import keys
from shared.operations.actions.dead_letters import DeadLetter, drop_on_record, find_dead_letter, put_back
from shared.operations.control_log import Change, write_change
from shared.operations.request import Action

_MOST = 1_000
Stream = Annotated[str, typer.Argument(help="The stream that the entry came from, for example shoal:signals.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept on record.")]
EntryId = Annotated[str, typer.Argument(metavar="ENTRY", help="The entry's id in that stream.")]


def build() -> typer.Typer:
    """Build the commands."""
    app = typer.Typer(no_args_is_help=True, help="Dead letters: entries that no service could read.")
    app.command("list")(dead_list)
    app.command("show")(dead_show)
    app.command("retry")(dead_retry)
    app.command("drop")(dead_drop)
    return app


def dead_list(as_json: AsJson = False) -> None:
    """List the dead letters of all streams."""

    async def work(settings: Settings, bus: Bus) -> list[tuple[str, list[Entry]]]:
        users = await list_users(settings, bus)
        of_users = [stream(user) for user in users for stream in (keys.orders, keys.resting)]
        names = [keys.dead(stream) for stream in (keys.SIGNALS, keys.MASTER_ORDERS, *of_users)]
        return await newest(bus, sorted(await existing(bus, names)), _MOST)

    rows = [_row(name, entry) for name, entries in run_with_bus(work) for entry in entries]
    if as_json:
        print_json({"dead_letters": rows})
        return
    shown = [(row["stream"], row["entry_id"], row["at"], row["reason"]) for row in rows]
    console().print(table("Dead letters", ["stream", "entry", "since (UTC)", "reason"], shown, empty="none"))


def dead_show(stream: Stream, entry: EntryId, as_json: AsJson = False) -> None:
    """Show one dead letter with all its fields."""

    letter = _find(stream, entry)
    row = _row(keys.dead(stream), letter.newest)
    if as_json:
        print_json({**row, "fields": dict(letter.fields)})
    else:
        _show(letter)


def dead_retry(stream: Stream, entry: EntryId, yes: Yes = False, as_json: AsJson = False) -> None:
    """Write a dead letter back into its stream: an order under its own entry id, a signal as a new entry."""
    letter = _find(stream, entry)
    if not as_json:
        _show(letter)
    if letter.unreadable:
        print(f"ops: it is still unreadable and will become a dead letter again: {letter.unreadable}", file=sys.stderr)
    confirm("Put it back?", yes=yes)

    async def work(_settings: Settings, bus: Bus) -> str | None:
        new = await put_back(bus, letter)
        if new is not None:
            await _log(bus, letter, Action.RETRY, f"put back as {new}")
        return new

    new = run_with_bus(work)
    if new is None:
        refuse(
            f"entry {entry} is no longer in {stream}: it was put back before, or trimmed; `ops dead drop` removes the dead letter"
        )
    if as_json:
        print_json({"stream": stream, "entry_id": entry, "put_back_as": new})
    else:
        print(f"put back as {new}; it is processed within half a minute")


def dead_drop(stream: Stream, entry: EntryId, reason: Reason = "", yes: Yes = False, as_json: AsJson = False) -> None:
    """Drop a dead letter: it counts as failed from now on, and who dropped it stays on record."""
    letter = _find(stream, entry)
    if not as_json:
        _show(letter)
    confirm("Drop it for good?", yes=yes)

    async def work(_settings: Settings, bus: Bus) -> str:
        why_not = await drop_on_record(bus, letter, operator_name(), time.time_ns() // 1_000_000, reason)
        if not why_not:
            await _log(bus, letter, Action.DROP, reason)
        return why_not

    if refused := run_with_bus(work):
        refuse(refused)
    if as_json:
        print_json({"stream": stream, "entry_id": entry, "dropped": True, "reason": reason})
    else:
        print(f"{stream} {entry}: dropped")


async def _log(bus: Bus, letter: DeadLetter, action: Action, reason: str) -> None:
    of, at = f"{letter.stream} {letter.entry_id}", time.time_ns() // 1_000_000
    await write_change(bus, Change(of, "", action, reason, operator_name(), at, action))


def _find(stream: str, entry: str) -> DeadLetter:
    async def work(_settings: Settings, bus: Bus) -> DeadLetter | None:
        return await find_dead_letter(bus, stream, entry)

    letter = run_with_bus(work)
    if letter is None:
        refuse(f"no dead letter {entry} of {stream} (see `ops dead list`)")
    return letter


def _show(letter: DeadLetter) -> None:
    title = f"{letter.stream} {letter.entry_id}: {letter.newest.fields.get('reason', '')}"
    console().print(table(title, ["field", "value"], letter.fields.items()))


def _row(name: str, entry: Entry) -> dict[str, str]:
    return {
        "stream": name.removeprefix(keys.dead("")),
        "entry_id": entry.fields.get("entry_id", ""),
        "group": entry.fields.get("group", ""),
        "at": clock(entry_ms(entry.id)),
        "reason": entry.fields.get("reason", ""),
    }
