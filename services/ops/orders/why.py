"""`ops why`: the outcome of a signal for each user, and why: the latest signal, a named one, or recent ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer
from rich.console import Console

from services.ops.output import AsJson, clock, console, print_json, share, table
from services.ops.runner import refuse, run_with_bus
from services.ops.tabular import PER_PAGE, Page, page_of
from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.domain.account import is_master
from shared.ledger.open_issues import read_master_orders
from shared.ledger.signal_views import CopyView, SignalTraceView
from shared.ledger.why import find_signal, find_signals, recent_signals, trace_signal

_SHORT: Final = 8
"""Characters of a signal's id in a list: enough to name it by."""

Wanted = Annotated[
    str,
    typer.Argument(
        metavar="[SIGNAL]",
        help="The signal's id or the beginning of it, or the id of its entry in shoal:signals; the latest if not given.",
        show_default=False,
    ),
]
User = Annotated[str, typer.Option("--user", help="Only this user (`master`: the master's own order).")]
Last = Annotated[int, typer.Option("--last", min=0, max=1_000, help="How many recent signals to list.")]


def why(signal: Wanted = "", user: User = "", last: Last = 0, number: Page = 1, as_json: AsJson = False) -> None:
    """Show what became of a signal for each user: decision, outcome, reason, sizes, times."""
    if signal and last:
        refuse("--last lists the latest signals: leave the signal's id out")

    async def work(settings: Settings, bus: Bus) -> list[SignalTraceView]:
        users = await select_users(settings, bus, user, master=bool(user))
        return await read(bus, signal, users, last or 1)

    traces = run_with_bus(work)
    if not traces and not as_json:
        print("there are no signals yet in shoal:signals")
    elif last:
        _print_list(traces, user, as_json=as_json)
    elif as_json:
        print_json(traces[0].model_dump(mode="json") if traces else {"signal": None, "users": []})
    else:
        _show(traces[0], number)


async def read(bus: Bus, wanted: str, users: Sequence[str], last: int) -> list[SignalTraceView]:
    """Trace the named signal, or the latest ones. Raises ConfigurationError, BusUnavailable."""
    entries = [await _one(bus, wanted)] if wanted else await recent_signals(bus, last)
    own: dict[str, Mapping[str, str]] = {}
    for owner in filter(is_master, users):
        own |= await read_master_orders(bus, owner)
    return [SignalTraceView.of(await trace_signal(bus, entry, users, own)) for entry in entries]


async def _one(bus: Bus, wanted: str) -> Entry:
    if (entry := await find_signal(bus, wanted)) is not None:
        return entry
    found = await find_signals(bus, wanted)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigurationError(f"no signal {wanted} in shoal:signals (`ops why --last 20` lists the latest)")
    ids = ", ".join(each.fields.get("id", "") for each in found[:5])
    raise ConfigurationError(
        f"{wanted} begins the ids of {len(found)} signals: {ids}{' ...' if len(found) > 5 else ''}"
    )


def _show(trace: SignalTraceView, number: int) -> None:
    """Show one signal with a page of its users, those who did not copy it first where they do not fit on one."""
    out = console()
    signal = trace.signal
    how_much = (
        f"the master sold {_of(signal.fraction, 'its')}"
        if signal.kind == "exit"
        else f"{signal.base_size} at {signal.price}"
    )
    out.print(f"{signal.kind.upper()} {signal.side} {signal.symbol}: {how_much}", markup=False, style="bold")
    out.print(f"signal {signal.id} from {signal.venue}, filled {clock(signal.filled_at)} UTC", markup=False)
    out.print(f"entry {signal.entry_id} of shoal:signals", markup=False)
    out.print()
    columns = ["user", "venue", "decision", "outcome", "asked", "filled", "price", "after ms"]
    users = (
        trace.users if len(trace.users) <= PER_PAGE else sorted(trace.users, key=lambda each: bool(each.filled_size))
    )
    shown, said = page_of(users, number)
    rows = [_row(each) for each in shown]
    out.print(table("", columns, rows, empty="no user follows yet"))
    _show_reasons(out, shown)
    if said:
        out.print(f"{_outcomes(trace)}; {said}", markup=False)


def _of(fraction: str, whose: str) -> str:
    part = share(fraction)
    return f"{whose} whole position" if part == "all" else f"{part} of {whose} position"


def _show_reasons(out: Console, users: Sequence[CopyView]) -> None:
    """Show the reasons below the table: they are sentences."""
    for each in users:
        if each.reason:
            code = f" [{each.code}]" if each.code else ""
            out.print(f"  {each.user}: {each.reason}{code}", markup=False)


def _row(part: CopyView) -> tuple[object, ...]:
    asked = part.base_size or (_of(part.fraction, "the") if part.fraction else "-")
    after = "-" if part.latency_ms is None else part.latency_ms
    return (
        part.user,
        part.venue or "-",
        part.decision,
        part.outcome or "-",
        asked,
        part.filled_size or "-",
        part.average_price or "-",
        after,
    )


def _print_list(traces: Sequence[SignalTraceView], user: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"signals": [trace.model_dump(mode="json") for trace in traces]})
        return
    rows = []
    for trace in traces:
        signal = trace.signal
        what = f"{signal.side} {signal.symbol}"
        rows.append((signal.id[:_SHORT], clock(signal.filled_at), what, *_ended(trace, user)))
    last = ["outcome", "reason"] if user else ["outcomes"]
    console().print(table("", ["signal", "filled (UTC)", "what", *last], rows))


def _ended(trace: SignalTraceView, user: str) -> tuple[str, ...]:
    if user:
        part = trace.users[0]
        return (part.outcome or part.decision, part.reason)
    return (_outcomes(trace),)


def _outcomes(trace: SignalTraceView) -> str:
    found = Counter(each.outcome or each.decision for each in trace.users)
    return ", ".join(f"{count} {outcome}" for outcome, count in found.items()) or "-"
