"""What a person sees of a run."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.base import Base
from tests.bench.goals import Goal
from tests.bench.nodes import CLUSTER
from tests.bench.row import Row
from tests.bench.run import Results
from tests.bench.turns import BEFORE, SHOAL, Turns

_COMMANDS: Final = ("evalsha", "hgetall", "get", "hset", "hget", "hmget", "type", "incrby", "xadd", "xreadgroup")


def show(console: Console, found: Results, goals: Sequence[Goal]) -> None:
    """Print everything."""
    if found.base is not None:
        console.print(_floors(found.base))
    for turns in (*found.turns, *found.venues, *found.nodes):
        console.print(_turns(turns))
        console.print(_commands(turns))
    if found.rows:
        console.print(_rows(found.rows))
    if found.facts:
        console.print(_facts(found.facts))
    console.print(_goals(goals))
    verdict = found.verdict
    for text in [*verdict.failures, *verdict.examples]:
        console.print(text, style="red", markup=False)
    console.print(
        f"verified: {verdict.signals:,} signals, {verdict.orders:,} orders; missing {verdict.missing}, twice "
        f"{verdict.duplicates}, nobody's {verdict.extra}, invalid nonces {verdict.invalid_nonces}, wrong signatures "
        f"{verdict.invalid_signatures}, not filled {verdict.unfilled}",
        style="green" if verdict.ok else "bold red",
    )


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)


def _floors(base: Base) -> Table:
    table = _table("Floors of this machine (median, us)")
    names = ("INCR", "XADD", "wake-up", "sign", "HTTP", "sum for one order", "ES256 token", "its key parsed each time")
    for name in (*names, "bare HTTP client, orders/s"):
        table.add_column(name, justify="right")
    floors = base.floors
    values = (
        floors.incr,
        floors.xadd,
        floors.wake_up,
        floors.sign,
        floors.http,
        floors.sum,
        floors.token,
        floors.parsed_token,
    )
    table.add_row(*(f"{value:,.0f}" for value in values), f"{base.ceiling:,.0f}")
    return table


def _turns(turns: Turns) -> Table:
    """Lay out who took how long, and what each order cost whom; ratios are to Shoal, within rounds."""
    count = len(turns.taken[SHOAL])
    table = _table(f"{turns.what}, {count} rounds of {turns.users:,} users: medians of rounds")
    table.add_column("who")
    for name in ("ms", "/ shoal", "spread", "CPU us accepted", "settled", "by process until settled"):
        table.add_column(name, justify="left" if name.startswith("by") else "right")
    for name in turns.taken:
        ratio = turns.time(name, SHOAL)
        accepted, settled = turns.median_us(name, settled=False), turns.median_us(name, settled=True)
        table.add_row(
            name,
            f"{turns.median_ms(name):,.2f}",
            "" if ratio is None or name == SHOAL else f"{ratio.median:.2f}",
            "" if ratio is None or name == SHOAL else f"{ratio.spread:.2f}",
            f"{sum(accepted.values()):,.0f}" if accepted else "",
            f"{sum(settled.values()):,.0f}" if settled else "",
            ", ".join(f"{process} {us:,.0f}" for process, us in settled.items()),
        )
    return table


def _commands(turns: Turns) -> Table:
    """Lay out how many commands of Redis an entry costs, in scripts or not, from its signal until all is reported."""
    table = _table(f"Commands of Redis per settled order, {turns.users:,} users")
    table.add_column("who")
    for name in _COMMANDS:
        table.add_column(name.upper(), justify="right")
    for name in (SHOAL, BEFORE, CLUSTER):
        if name in turns.taken:
            found = turns.median_commands(name)
            table.add_row(name, *(f"{found.get(command, 0.0):.1f}" for command in _COMMANDS))
    return table


def _rows(rows: Sequence[Row]) -> Table:
    table = _table("Signal to the last user's order accepted, as the venue saw it (ms)")
    table.add_column("who")
    for name in ("users", "exchange", "entry", "p99", "worst", "first", "exit", "orders/s", "rounds", "links"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.users:,}",
            f"{row.delay_ms:g} ms",
            f"{row.median:,.2f}",
            f"{row.p99:,.2f}" if len(row.entries) >= 100 else "",
            f"{max(row.entries):,.2f}",
            f"{median(row.firsts):,.2f}" if row.firsts else "",
            f"{median(row.exits):,.2f}" if row.exits else "",
            f"{row.rate:,.0f}",
            str(len(row.entries)),
            str(row.connections or ""),
        )
    return table


def _facts(facts: dict[str, float]) -> Table:
    table = _table("Besides")
    table.show_header = False
    for name, value in facts.items():
        table.add_row(name, f"{value:,.2f}")
    return table


def _goals(goals: Sequence[Goal]) -> Table:
    table = _table("Goals: ratios within rounds")
    for name in ("goal", "measured", "spread", "bound", ""):
        table.add_column(name, justify="left" if name in {"goal", ""} else "right")
    colours = {True: "green", False: "bold red", None: "dim"}
    for goal in goals:
        value = "" if goal.value is None else f"{goal.value:,.3g}" if goal.value < 100 else f"{goal.value:,.0f}"
        spread = "" if goal.spread is None else f"{goal.spread:.2f}"
        bound = f"{'>=' if goal.least else '<='} {goal.bound:g}"
        table.add_row(goal.name, value, spread, bound, f"[{colours[goal.held]}]{goal.word}[/]")
    return table
