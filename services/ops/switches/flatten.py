"""`ops flatten`: close every copied position in a scope and report the result of each.

It only sets the switch: the executor that serves a user sells what they hold from copying, at once or after its restart. The
switch stays until `ops resume`, so that nothing is bought back. It is set first: no read for the question or the report may
prevent it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.switches.control import Reason, SymbolName, User
from services.ops.switches.scope import scope_of
from services.ops.users import read_policies_if_possible
from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.config.settings import Settings
from shared.contracts import keys
from shared.domain.control import ControlMode
from shared.domain.limits.policy import UserPolicy
from shared.domain.position import Position
from shared.domain.values.money import ZERO, plain
from shared.domain.values.symbol import Symbol
from shared.operations.holdings import HeldPositions, PositionKey, read_held
from shared.operations.switches import Scope, set_switch

PATIENCE: Final = 30.0
"""Seconds to wait for positions to be closed: executors look every second, and exits are retried."""
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the positions to be closed.")]
_POLL: Final = 0.25

_UNREADABLE: Final = "unreadable"


@dataclass(frozen=True, slots=True)
class FlattenResult:
    """The result for one position: `closed`, `dust` (an order ended and left a remainder), `open`, or `unreadable`."""

    place: tuple[str, str, Symbol | str]
    before: str
    left: str
    outcome: str
    reason: str

    def row(self) -> dict[str, str]:
        """Return it as a table row."""
        user, venue, symbol = self.place
        words = {"before": self.before, "left": self.left, "outcome": self.outcome, "reason": self.reason}
        return {"user": user, "venue": venue, "symbol": str(symbol), **words}


def flatten(
    reason: Reason,
    user: User = "",
    symbol: SymbolName = "",
    yes: Yes = False,
    wait: Wait = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Close every copied position in the scope and stop entries; exit 1 if one is open or unreadable after the wait."""

    async def look(settings: Settings, bus: Bus) -> tuple[Scope, HeldPositions]:
        scope = await scope_of(settings, bus, user, symbol)
        return scope, HeldPositions() if yes else await read_held(
            bus, scope, await read_policies_if_possible(settings, bus)
        )

    scope, held = run_with_bus(look)
    confirm(build_question(scope, len(held.positions), len(held.unreadable)), yes=yes)

    async def work(settings: Settings, bus: Bus) -> list[FlattenResult]:
        now = time.time_ns() // 1_000_000
        began = time.monotonic()
        await set_switch(bus, scope, ControlMode.FLATTEN, reason, operator_name(), now)
        policies = await read_policies_if_possible(settings, bus)
        here = await read_held(bus, scope, policies)
        before = HeldPositions({**held.positions, **here.positions}, here.unreadable)
        since = await _redis_time(bus) - int((time.monotonic() - began) * 1000)
        return await wait_until_closed(bus, scope, before, policies, since, wait)

    rows = [result.row() for result in run_with_bus(work)]
    still = [row for row in rows if row["outcome"] in {"open", _UNREADABLE}]
    if as_json:
        print_json({"of": str(scope), "mode": "flatten", "reason": reason, "positions": rows, "open": len(still)})
    else:
        print(f"{scope}: flatten ({reason}); `ops resume` lets entries through again")
        columns = ["user", "venue", "symbol", "held", "left", "outcome", "reason"]
        empty = "nothing was held from copying, so nothing was sold"
        console().print(table("Positions", columns, [list(row.values()) for row in rows], empty=empty))
    raise typer.Exit(1 if still else 0)


def build_question(scope: Scope, held: int, unreadable: int = 0) -> str:
    """Return the confirmation question; with nothing held the switch still stops entries."""
    unread = f" ({unreadable} more cannot be read)" if unreadable else ""
    if not held and not unreadable:
        return f"No copied position is held by {scope}. Stop entries anyway until `ops resume`?"
    plural = "" if held == 1 else "s"
    return f"Sell {held} copied position{plural}{unread} of {scope} now, and stop entries until `ops resume`?"


async def wait_until_closed(
    bus: Bus,
    scope: Scope,
    before: HeldPositions,
    policies: Mapping[str, UserPolicy],
    since: int,
    wait: float,
) -> list[FlattenResult]:
    """Wait at most `wait` seconds until every position is closed or its exit has ended. Return the result of each."""
    seen, end = dict(before.positions), time.monotonic() + wait
    while True:
        # Reports first: an exit's report and position are written in one step, so the positions read next are at least as new.
        ended = await _ended(bus, sorted({user for user, _, _ in seen}), since)
        found = await read_held(bus, scope, policies)
        now = found.positions
        seen = {**now, **seen}  # an entry in flight when the switch was set is closed too
        if not now.keys() - ended.keys() or time.monotonic() >= end:
            ended |= await _ended(bus, sorted({user for user, _, _ in seen}), since)  # of what was closed in between
            break
        await asyncio.sleep(_POLL)
    results = [
        _result(place, position, now.get(place), ended.get(place))
        for place, position in sorted(seen.items(), key=str)
        if not found.is_unreadable(place)
    ]
    # A position sold between the switch and the first read is known from its report alone.
    for place, report in sorted((await _ended(bus, found.users, since)).items(), key=str):
        if place not in seen and _sold(report) > 0 and scope.covers(place[0], place[2], policies.get(place[0])):
            results.append(FlattenResult(place, plain(_sold(report)), "0", "closed", report.get("reason", "")))
    return results + [
        FlattenResult(place, "?", "?", _UNREADABLE, f"nothing is sold until its record can be read: {why}")
        for place, why in sorted(found.unreadable.items())
    ]


def _result(
    place: PositionKey, position: Position, left: Position | None, report: Mapping[str, str] | None
) -> FlattenResult:
    said = report or {}
    if left is None:
        outcome, reason = "closed", said.get("reason", "")
    elif report is not None:
        outcome, reason = "dust", said.get("reason", "")
    else:
        outcome, reason = "open", "its exit has not ended: see `ops status` for who serves the user"
    rest = left.size.amount if left else ZERO
    before = max(position.size.amount, rest + _sold(said))  # it may have been read after a part was sold
    return FlattenResult(place, plain(before), plain(rest), outcome, reason)


def _sold(report: Mapping[str, str]) -> Decimal:
    try:
        sold = Decimal(report.get("filled_size") or 0)
    except InvalidOperation:
        return ZERO
    return sold if sold.is_finite() else ZERO


async def _redis_time(bus: Bus) -> int:
    """Return Redis's clock in epoch ms: stream entry ids come from it, and this host's clock may differ."""
    seconds, micros = await bus.do("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def _ended(bus: Bus, users: Sequence[str], since: int) -> dict[PositionKey, Mapping[str, str]]:
    """Read the exits that have ended since an instant (epoch ms), the latest of each position."""
    answers = await bus.do_all([("XRANGE", keys.reports(user), since, "+") for user in users])
    found: dict[PositionKey, Mapping[str, str]] = {}
    for user, rows in zip(users, answers, strict=True):
        for entry in read_entries(keys.reports(user), rows if isinstance(rows, list) else []):
            fields = entry.fields
            try:
                symbol = Symbol.parse(fields.get("symbol", ""))
            except ValueError:
                continue
            if fields.get("kind") == "exit":
                found[user, fields.get("venue", ""), symbol] = fields
    return found
