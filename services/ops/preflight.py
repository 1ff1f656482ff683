"""`ops preflight`: one line per check of what must hold before real money moves; exit 1 if any is red.

It asks no venue. Run it where the keys are: in the environment of a service that signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import typer
from rich.table import Table
from rich.text import Text

from services.ops.output import AsJson, console, print_json
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusError, BusForbidden
from shared.bus.records import pairs
from shared.config.errors import ConfigurationError
from shared.config.preflight import Check, Verdict, preflight as run_checks
from shared.config.settings import Settings, load_settings

_WANTED: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
_STYLES: Final = {Verdict.GREEN: "green", Verdict.YELLOW: "yellow", Verdict.RED: "bold red"}


def preflight(as_json: AsJson = False) -> None:
    """Check mode, keys, strategy, users, limits, Redis and .env before going live; exit 1 if any check is red."""
    settings = load_settings()
    checks = [*run_checks(settings), asyncio.run(check_redis(settings))]
    red = sum(each.verdict is Verdict.RED for each in checks)
    if as_json:
        rows = [{"check": each.name, "verdict": each.verdict, "text": each.text} for each in checks]
        print_json({"ok": not red, "red": red, "checks": rows})
    else:
        _show(checks, red)
    raise typer.Exit(1 if red else 0)


async def check_redis(settings: Settings) -> Check:
    """Check that Redis answers, writes every command to its disk before it answers, and never drops a key."""
    try:
        async with open_bus(settings.redis_url, "ops") as bus:
            answers = [await _setting(bus, name) for name in _WANTED]
    except (ConfigurationError, BusError) as error:
        return Check("Redis", Verdict.RED, str(error))
    found = {name: pairs(answer).get(name, "") for name, answer in zip(_WANTED, answers, strict=True)}
    if not any(found.values()):
        return Check("Redis", Verdict.YELLOW, f"answers, and does not say how it is set; it must be {_wanted(_WANTED)}")
    wrong = [name for name, value in found.items() if value != _WANTED[name]]
    if wrong:
        text = f"has {_wanted({name: found[name] for name in wrong})}; it must be {_wanted({n: _WANTED[n] for n in wrong})}"
        return Check("Redis", Verdict.RED, text)
    return Check("Redis", Verdict.GREEN, f"answers, with {_wanted(_WANTED)}")


async def _setting(bus: Bus, name: str) -> object:
    try:
        return await bus.do("CONFIG", "GET", name)
    except BusForbidden:  # as many who run a Redis for others have it
        return None


def _wanted(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _show(checks: list[Check], red: int) -> None:
    out = console()
    rows = Table.grid(padding=(0, 2, 0, 0))
    for each in checks:
        rows.add_row(Text(each.verdict, _STYLES[each.verdict]), Text(each.name, no_wrap=True), Text(each.text))
    out.print(rows)
    out.print()
    if red:
        out.print(f"[bold red]NOT READY TO GO LIVE[/]: {red} of {len(checks)} checks are red")
    else:
        out.print("[bold green]READY TO GO LIVE[/]: no check is red. The venue itself was not asked.")
