"""The kill switch: `pause` (also called `close-only`), `halt` and `resume`, for all users, one user or one symbol.

`control` shows what is set. Switches are stored in Redis, so they survive every restart; services read them before every send.
`flatten` is in `flatten.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer

from services.ops.operator import operator_name
from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.switches.scope import scope_of
from services.ops.users import list_users
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.domain.control import Control, ControlMode
from shared.operations.control_log import Change, read_changes
from shared.operations.switches import Scope, read_switches, set_switch

_LOGGED: Final = ("of", "before", "mode", "reason", "by", "at")

User = Annotated[str, typer.Option("--user", help="Only this user; all users if neither --user nor --symbol is given.")]
SymbolName = Annotated[str, typer.Option("--symbol", help="Only this symbol, for example BTC/USD, for all users.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; shown wherever the switch stops something.")]


def command(mode: ControlMode, text: str) -> Callable[..., None]:
    """Return the command that sets this mode."""

    def switch(reason: Reason, user: User = "", symbol: SymbolName = "", as_json: AsJson = False) -> None:
        _switch(mode, reason, user, symbol, as_json=as_json)

    switch.__doc__ = text
    return switch


def close_only(reason: Reason, user: User = "", symbol: SymbolName = "", as_json: AsJson = False) -> None:
    """Stop entries; exits go on. An alias of `pause`, and stored as `pause`."""
    if not as_json:
        print("close-only is an alias of pause: entries stop, exits go on")
    _switch(ControlMode.PAUSE, reason, user, symbol, as_json=as_json)


def resume(reason: Reason = "", user: User = "", symbol: SymbolName = "", as_json: AsJson = False) -> None:
    """Clear the kill switch: entries and exits run again."""
    _switch(ControlMode.RUN, reason, user, symbol, as_json=as_json)


def control(
    log: Annotated[int, typer.Option("--log", min=0, help="How many recent changes to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show which kill switches are set, and the latest changes."""

    async def work(settings: Settings, bus: Bus) -> tuple[list[tuple[Scope, Control]], Sequence[Change]]:
        users = await list_users(settings, bus)
        return await read_switches(bus, users), await read_changes(bus, log) if log else []

    switches, changes = run_with_bus(work)
    if as_json:
        logged = [{name: each.fields().get(name, "") for name in _LOGGED} for each in changes]
        print_json({"switches": [_row(scope, switch) for scope, switch in switches], "log": logged})
        return
    out = console()
    rows = [(scope, switch.mode, switch.reason, switch.by, clock(switch.at)) for scope, switch in switches]
    out.print(table("Kill switches", ["scope", "mode", "reason", "by", "at (UTC)"], rows))
    if changes:
        out.print()
        shown = [[each.fields().get(name, "") for name in _LOGGED[:-1]] for each in changes]
        stamps = [clock(each.at) for each in changes]
        columns = ["scope", "from", "to", "reason", "by", "at (UTC)"]
        out.print(table("Latest changes", columns, [(*row, at) for row, at in zip(shown, stamps, strict=True)]))


def _switch(mode: ControlMode, reason: str, user: str, symbol: str, *, as_json: bool) -> None:
    async def work(settings: Settings, bus: Bus) -> Scope:
        scope = await scope_of(settings, bus, user, symbol)
        await set_switch(bus, scope, mode, reason, operator_name(), time.time_ns() // 1_000_000)
        return scope

    scope = run_with_bus(work)
    if as_json:
        print_json({"of": str(scope), "mode": mode.value, "reason": reason})
    else:
        print(f"{scope}: {mode.value}" + (f" ({reason})" if reason else ""))


def _row(scope: Scope, switch: Control) -> dict[str, str]:
    at = str(switch.at) if switch.at else ""
    return {"of": str(scope), "mode": switch.mode.value, "reason": switch.reason, "by": switch.by, "at": at}
