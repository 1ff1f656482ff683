"""The kill switch: `pause`, `close-only`, `resume`, `halt`, for everybody or one user; `control` shows what is set.

It stands in Redis, so it outlives every restart; services read it before every send.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.person import operator_name
from services.ops.session import connected
from shared.bus.connection import Bus
from shared.bus.records import pairs
from shared.bus.streams import flatten
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.users import load_users
from shared.contracts import keys
from shared.domain.control import Control, ControlMode
from shared.ledger.reading import known_users, user_of

User = Annotated[str, typer.Option("--user", help="Only this user; everybody if not given.")]
Reason = Annotated[str, typer.Option("--reason", help="Why: it is shown wherever the switch stops something.")]


def command(mode: ControlMode, text: str) -> Callable[..., None]:
    """Make the command that sets this mode."""

    def switch(reason: Reason, user: User = "", as_json: AsJson = False) -> None:
        _switch(mode, reason, user, as_json=as_json)

    switch.__doc__ = text
    return switch


def resume(reason: Reason = "", user: User = "", as_json: AsJson = False) -> None:
    """Let everything run again."""
    _switch(ControlMode.RUN, reason, user, as_json=as_json)


def control(as_json: AsJson = False) -> None:
    """Show which kill switches are set."""

    async def work(_settings: Settings, bus: Bus) -> dict[str, Mapping[str, str]]:
        return await read_switches(bus)

    found = connected(work)
    rows = [
        {"of": who or "everybody", "mode": Control.read(fields).mode.value, **_said(fields)}
        for who, fields in found.items()
    ]
    if as_json:
        print_json({"switches": rows})
        return
    shown = [(row["of"], row["mode"], row["reason"], row["by"], clock(int(row["at"] or 0))) for row in rows]
    console().print(table("Kill switches", ["of", "mode", "reason", "by", "at (UTC)"], shown))


async def set_switch(bus: Bus, user: str, mode: ControlMode, reason: str, by: str, at: int) -> None:
    """Set the switch of a user, or of everybody where `user` is empty; `at` in epoch ms. Raises BusUnavailable."""
    key = keys.control(user) if user else keys.CONTROL
    await bus.do("HSET", key, *flatten({"mode": mode, "reason": reason, "by": by, "at": str(at)}))


async def read_switches(bus: Bus) -> dict[str, Mapping[str, str]]:
    """Read every switch that was ever set, by user; everybody's, under an empty name, comes first and is always there."""
    names = sorted(set(await bus.scan(keys.control("*"))))
    answers = await bus.do_all([("HGETALL", name) for name in (keys.CONTROL, *names)])
    found = zip(["", *map(user_of, names)], map(pairs, answers), strict=True)
    return {who: fields for who, fields in found if "mode" in fields or not who}  # requests stand there too


def _switch(mode: ControlMode, reason: str, user: str, *, as_json: bool) -> None:
    async def work(settings: Settings, bus: Bus) -> None:
        if user and user not in {*load_users(settings.shoal_config), *await known_users(bus)}:
            # A misspelt name must not look like a stop.
            raise ConfigurationError(f"--user {user}: there is no such user")
        await set_switch(bus, user, mode, reason, operator_name(), time.time_ns() // 1_000_000)

    connected(work)
    who = user or "everybody"
    if as_json:
        print_json({"of": who, "mode": mode.value, "reason": reason})
    else:
        print(f"{who}: {mode.value}" + (f" ({reason})" if reason else ""))


def _said(fields: Mapping[str, str]) -> dict[str, str]:
    at = fields.get("at", "")
    return {"reason": fields.get("reason", ""), "by": fields.get("by", ""), "at": at if at.isdigit() else ""}
