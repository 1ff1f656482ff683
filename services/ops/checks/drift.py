"""`ops drift`: the master's target against each user's positions; `--repair` closes what the master no longer holds.

A repair sets the kill switch of a user or a symbol to `flatten`, waits until the positions are closed, and restores the previous
switch. It never buys, and never closes a position that the master still holds or has just traded.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Annotated, Final

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.switches.flatten import PATIENCE, FlattenResult, wait_until_closed
from services.ops.tabular import Page, page_of
from services.ops.users import read_policies, read_policies_of, select_users
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_places
from shared.bus.state.records import pairs
from shared.config.renames import load_renames
from shared.config.settings import Settings
from shared.domain.account import further_name
from shared.domain.control import Control, ControlMode
from shared.domain.values.money import plain
from shared.ledger.drift import Drift, plan_repair
from shared.ledger.holdings import master_problem, read_drifts, read_master_names, traded_since
from shared.operations.holdings import read_held
from shared.operations.switches import Scope, set_switch

_SETTLED_MS: Final = 30_000
"""A trade of the master that is younger than this may not have reached all users."""
_SIZE: Final = Decimal("0.00000001")
_REASON: Final = "ops drift --repair: the master no longer holds it"

User = Annotated[str, typer.Option("--user", help="Only this user; all users if not given.")]
DoRepair = Annotated[bool, typer.Option("--repair", help="Close what the master no longer holds. Never buys.")]


def drift(
    user: User = "", repair: DoRepair = False, yes: Yes = False, number: Page = 1, as_json: AsJson = False
) -> None:
    """Compare users' positions with their targets; exit 1 if a user holds what the master no longer holds (a stray)."""

    async def look(settings: Settings, bus: Bus) -> list[Drift]:
        return await read(settings, bus, user)

    found = run_with_bus(look)
    strays = [each for each in found if each.stray]
    results: list[dict[str, str]] = []
    if repair and strays:
        confirm(f"Close {len(strays)} positions that the master no longer holds?", yes=yes)
        results = run_with_bus(lambda settings, bus: repair_strays(settings, bus, user))
        found = run_with_bus(look)
    if as_json:
        rows = [_row(each) for each in found]
        print_json({"drift": rows, "strays": sum(each.stray for each in found), "repaired": results})
    else:
        _show(found, results, number)
    raise typer.Exit(1 if any(each.stray for each in found) else 0)


async def read(settings: Settings, bus: Bus, user: str) -> list[Drift]:
    """Compare one user, or all, with every master."""
    if user:
        await select_users(settings, bus, user)
    policies = await read_policies_of(settings, bus, user)
    chosen = [policy for name, policy in policies.items() if user in {"", name}]
    renames = load_renames(settings.shoal_config)
    places = await read_master_places(bus)
    return [each for owner, venue in places for each in await read_drifts(bus, chosen, venue, renames, owner)]


async def repair_strays(settings: Settings, bus: Bus, user: str) -> list[dict[str, str]]:
    """Close strays, one scope after another. Return one row per position, closed or left alone."""
    everyone = await read(settings, bus, "")  # a scope may hold positions of other users too
    now = time.time_ns() // 1_000_000
    lately = await traded_since(bus, now - _SETTLED_MS)
    names = await read_master_names(bus)
    unsure = {
        further_name(owner) or names[venue] or venue: await master_problem(bus, venue, now, owner)
        for owner, venue in await read_master_places(bus)
    }
    plan = plan_repair([each for each in everyone if each.held.amount > 0])
    scopes = [Scope(user=name) for name in plan.users] + [Scope(symbol=symbol) for symbol in plan.symbols]
    rows = [
        _left(each, "its user and its symbol both have positions that must stay")
        for each in plan.left_out
        if _of(each, user)
    ]
    for scope in scopes:
        inside = [each for each in everyone if each.stray and _in(scope, each)]
        if not any(_of(each, user) for each in inside):
            continue
        others = sorted({each.user for each in inside if not _of(each, user)})
        why = f"it would close the positions of {', '.join(others)} too: run it without --user" if others else ""
        why = why or next((unsure[each.master] for each in inside if unsure[each.master]), "")
        if not why and (hot := sorted({each.symbol.base for each in inside} & lately.keys())):
            why = f"the master has just traded {', '.join(hot)}"
        if not why and (before := await _switch(bus, scope)).mode in {ControlMode.HALT, ControlMode.FLATTEN}:
            why = f"{before.mode} is set for {scope}"
        rows += [_left(each, why) for each in inside] if why else await _close(settings, bus, scope)
    return rows


async def _close(settings: Settings, bus: Bus, scope: Scope) -> list[dict[str, str]]:
    policies = await read_policies(settings, bus)
    now, by = time.time_ns() // 1_000_000, operator_name()
    held = await read_held(bus, scope, policies)
    before = await set_switch(bus, scope, ControlMode.FLATTEN, _REASON, by, now)
    try:
        results: list[FlattenResult] = await wait_until_closed(bus, scope, held, policies, now, PATIENCE)
    finally:
        words = before.reason or "ops drift --repair is done"
        await set_switch(bus, scope, before.mode, words, before.by or by, time.time_ns() // 1_000_000)
    return [result.row() for result in results]


async def _switch(bus: Bus, scope: Scope) -> Control:
    return Control.read(pairs(await bus.do("HGETALL", scope.key)))


def _in(scope: Scope, each: Drift) -> bool:
    return each.symbol == scope.symbol if scope.symbol else each.user == scope.user


def _of(each: Drift, user: str) -> bool:
    return user in {"", each.user}


def _left(each: Drift, why: str) -> dict[str, str]:
    size = plain(each.held.amount)
    where = {"user": each.user, "venue": each.venue, "symbol": str(each.symbol)}
    return {**where, "before": size, "left": size, "outcome": "left alone", "reason": why}


def _row(each: Drift) -> dict[str, object]:
    return {
        "user": each.user,
        "venue": each.venue,
        "master": each.master,
        "symbol": str(each.symbol),
        "target": None if each.target is None else plain(each.target.amount),
        "held": plain(each.held.amount),
        "drift_pct": None if each.pct is None else str(each.pct),
        "stray": each.stray,
        "note": each.note,
    }


def _show(found: list[Drift], results: list[dict[str, str]], number: int) -> None:
    """Show strays first, a page of them; below it what was repaired."""
    out = console()
    shown, said = page_of(sorted(found, key=lambda each: not each.stray), number)
    rows = [
        (
            each.user,
            each.venue,
            each.symbol,
            "unknown" if each.target is None else plain(each.target.amount.quantize(_SIZE)),
            plain(each.held.amount),
            "STRAY" if each.stray else "-" if each.pct is None else f"{each.pct:+} %",
            each.note,
        )
        for each in shown
    ]
    empty = "neither the master nor any user holds a position"
    out.print(table("Drift", ["user", "venue", "symbol", "target", "held", "drift", "note"], rows, empty=empty))
    if said:
        out.print(said)
    if results:
        out.print()
        columns = ["user", "venue", "symbol", "held", "left", "outcome", "reason"]
        out.print(table("Repaired", columns, [list(row.values()) for row in results]))
