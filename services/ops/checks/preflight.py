"""`ops preflight`: check what must hold before real money moves, one line per check; exit 1 if any is red.

It does not ask the venue. Run it in the environment of a service that has the keys.
"""

from __future__ import annotations

import asyncio
from typing import Final

import typer
from rich.table import Table
from rich.text import Text

from services.ops.output import AsJson, console, print_json
from services.ops.runner import run_with_bus
from services.ops.user.settings.opening import load_all
from shared.bus.connection import open_bus
from shared.bus.errors import BusError
from shared.config.errors import ConfigurationError
from shared.config.preflight import Check, CheckStatus, preflight as run_checks
from shared.config.settings import ConfigSource, Settings, load_settings
from shared.config.users.loader import Users
from shared.domain.durability import Durability

_STYLES: Final = {CheckStatus.GREEN: "green", CheckStatus.YELLOW: "yellow", CheckStatus.RED: "bold red"}


def preflight(as_json: AsJson = False) -> None:
    """Check mode, keys, strategy, users, limits, Redis and .env before going live; exit 1 if any check is red."""
    settings = load_settings()
    checks = [*run_checks(settings, users=_users_in_redis(settings)), asyncio.run(check_redis(settings))]
    red = sum(each.status is CheckStatus.RED for each in checks)
    if as_json:
        rows = [{"check": each.name, "verdict": each.status, "text": each.text} for each in checks]
        print_json({"ok": not red, "red": red, "checks": rows})
    else:
        _show(checks, red)
    raise typer.Exit(1 if red else 0)


def _users_in_redis(settings: Settings) -> Users | ConfigurationError | None:
    """Return the users whose settings are in Redis, or why they cannot be read; None if they are in files."""
    if settings.shoal_config_source is not ConfigSource.REDIS:
        return None
    try:
        return run_with_bus(load_all)
    except ConfigurationError as error:
        return error
    except BusError as error:
        return ConfigurationError(f"the users' settings in Redis cannot be read: {error}")


async def check_redis(settings: Settings) -> Check:
    """Connect as a live service does, which refuses a Redis that may lose orders."""
    trusted = settings.durability is Durability.TRUSTED
    try:
        async with open_bus(settings.redis_url, "ops", Durability.TRUSTED if trusted else Durability.REQUIRED) as bus:
            if bus.cautions:
                return Check("Redis", CheckStatus.YELLOW, "; ".join(bus.cautions))
            if trusted:
                return Check("Redis", CheckStatus.YELLOW, "answers; its durability is not checked (REDIS_UNCHECKED)")
            return Check("Redis", CheckStatus.GREEN, "answers, and writes every command to disk")
    except (ConfigurationError, BusError) as error:
        return Check("Redis", CheckStatus.RED, str(error))


def _show(checks: list[Check], red: int) -> None:
    out = console()
    rows = Table.grid(padding=(0, 2, 0, 0))
    for each in checks:
        rows.add_row(Text(each.status, _STYLES[each.status]), Text(each.name, no_wrap=True), Text(each.text))
    out.print(rows)
    out.print()
    if red:
        out.print(f"[bold red]NOT READY TO GO LIVE[/]: {red} of {len(checks)} checks are red")
    else:
        out.print("[bold green]READY TO GO LIVE[/]: no check is red. The venue itself was not asked.")
