"""`ops why`: what became of one signal for each user, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.session import connected, refuse
from services.ops.users import names_of
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.ledger.stories import CopyView, StoryView
from shared.ledger.why import find_signal, tell

Wanted = Annotated[
    str, typer.Argument(metavar="SIGNAL", help="The signal's id, or the id of its entry in shoal:signals.")
]


def why(signal: Wanted, as_json: AsJson = False) -> None:
    """Show what became of a signal for each user: decision, outcome, reason, sizes, times."""

    async def work(settings: Settings, bus: Bus) -> StoryView | None:
        return await read(settings, bus, signal)

    story = connected(work)
    if story is None:
        refuse(f"no signal {signal} in shoal:signals (ids stand in `ops streams`)")
    if as_json:
        print_json(story.model_dump(mode="json"))
    else:
        _show(story)


async def read(settings: Settings, bus: Bus, wanted: str) -> StoryView | None:
    """Read the story of a signal; None if there is no such signal."""
    entry = await find_signal(bus, wanted)
    if entry is None:
        return None
    users = await names_of(settings, bus)
    return StoryView.of(await tell(bus, entry, users))


def _show(story: StoryView) -> None:
    out = console()
    signal = story.signal
    how_much = (
        f"{signal.fraction} of the position" if signal.kind == "exit" else f"{signal.base_size} at {signal.price}"
    )
    out.print(f"{signal.kind.upper()} {signal.side} {signal.symbol}: {how_much}", markup=False, style="bold")
    out.print(f"signal {signal.id}, entry {signal.entry_id}, filled {clock(signal.filled_at)} UTC", markup=False)
    out.print()
    columns = ["user", "decision", "outcome", "asked", "filled", "price", "after ms", "reason"]
    out.print(table("", columns, [_row(each) for each in story.users]))


def _row(part: CopyView) -> tuple[object, ...]:
    asked = part.base_size or (f"{part.fraction} of held" if part.fraction else "-")
    filled = part.filled_size or "-"
    after = "-" if part.latency_ms is None else part.latency_ms
    return part.user, part.decision, part.outcome or "-", asked, filled, part.average_price or "-", after, part.reason
