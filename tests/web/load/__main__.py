"""`python -m tests.web.load`: the pages under load and over hours. The exit code is 1 if a goal is missed.

Absolute figures are of the machine at that moment, so run it while nothing else runs; `make test` asserts none of them.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from rich.console import Console

from tests.web.load import busy, hours, restarts, weight

_FIRST_LOAD: Final = 150_000
_LONGEST_TASK: Final = 200
_CORES: Final = 0.5
_GROWTH: Final = 0.10
_NODES: Final = 1_000
"""Nodes of the document that may come and go with the lines that are shown."""
_SIGNALS_A_MINUTE: Final = 50

console = Console(highlight=False, width=150)


async def _weight(_: argparse.Namespace) -> bool:
    found = await weight.measure(users=50)
    for page in found:
        parts = ", ".join(f"{name} {zipped / 1000:.1f}" for name, (_, zipped) in page.sizes.items())
        console.print(f"  {page.path}: {page.gzipped / 1000:.1f} kB gzip, {page.raw / 1000:.0f} kB as sent ({parts})")
    return all(page.gzipped <= _FIRST_LOAD for page in found)


async def _busy(given: argparse.Namespace) -> bool:
    found = await busy.measure(given.users, _SIGNALS_A_MINUTE, given.seconds)
    console.print(
        f"  {found.users} users, {found.signals} signals in {found.seconds:.0f} s, overview and tape open: "
        f"api {found.cores:.3f} cores (no page open: {found.idle_cores:.3f}); longest task {found.longest_ms} ms, "
        f"{found.long_tasks} above 50 ms; a row is there {found.median_ms} ms after its signal "
        f"(median; at most {found.slowest_ms} ms)"
    )
    return found.longest_ms <= _LONGEST_TASK and found.cores < _CORES


async def _restarts(given: argparse.Namespace) -> bool:
    found = await restarts.measure(given.restarts, pause=0.1)
    console.print(
        f"  {found.restarts} kills of the api, {len(found.sent)} signals: {found.missed} missed, "
        f"{'each once and in order' if found.in_order else 'NOT each once and in order'}, page loaded {found.loads} times"
    )
    return found.in_order


async def _hours(given: argparse.Namespace) -> bool:
    found = await hours.measure(
        given.hours, _SIGNALS_A_MINUTE, given.hurry, lambda text: console.print(f"  [dim]{text}[/]")
    )
    console.print(f"  {found.hours:g} h in {found.seconds:.0f} s, {found.signals:,} signals")
    for path, readings in found.memory.items():
        console.print(
            f"  {path}: heap {readings[0].heap / 1000:,.0f} kB, then {readings[-1].heap / 1000:,.0f} kB "
            f"({found.growth(path):+.1%}); {readings[-1].nodes:,} nodes ({found.new_nodes(path):+,})"
        )
    return all(found.growth(path) < _GROWTH and found.new_nodes(path) < _NODES for path in found.memory)


_PARTS: Final[Mapping[str, Callable[[argparse.Namespace], Awaitable[bool]]]] = {
    "weight": _weight,
    "busy": _busy,
    "restarts": _restarts,
    "hours": _hours,
}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="tests.web.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(_PARTS), help=f"parts, with commas between: {', '.join(_PARTS)}")
    parser.add_argument("--users", type=int, default=500, help="busy: users; default 500")
    parser.add_argument("--seconds", type=float, default=120, help="busy: how long; default 120")
    parser.add_argument("--restarts", type=int, default=20, help="restarts: how many; default 20")
    parser.add_argument("--hours", type=float, default=8, help="hours: how many; default 8")
    parser.add_argument("--hurry", type=float, default=60, help="hours: how many times as fast; default 60")
    given = parser.parse_args()
    missed = []
    for name in given.only.split(","):
        console.print(f"[bold]{name}[/]")
        if not asyncio.run(_run(_PARTS[name], given)):
            missed.append(name)
    console.print(f"missed: {', '.join(missed)}" if missed else "all goals met")
    return 1 if missed else 0


async def _run(part: Callable[[argparse.Namespace], Awaitable[bool]], given: argparse.Namespace) -> bool:
    return await part(given)


if __name__ == "__main__":
    raise SystemExit(main())
