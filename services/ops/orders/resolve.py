"""`ops resolve`: the operator enters the outcome of an order that the venue does not report.

It only adds the verdict to the order's record. The executor (or the master) that resolves the order reads it there, books it and
reports it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Final

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import refuse, run_with_bus
from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.bus.order.interventions import give_verdict
from shared.config.settings import Settings
from shared.contracts.verdict import VerdictRecord
from shared.domain.account import is_master
from shared.domain.order import TERMINAL
from shared.domain.values.numerals import whole
from shared.ledger.open_issues import UNRESOLVED_STATES
from shared.operations.actions.order_verdicts import StoredOrder, build_verdict as build_verdict_of, find_order
from shared.operations.actions.verdict_words import verdict_notes, verdict_words
from shared.operations.control_log import Change, write_change
from shared.operations.errors import ActionRefused
from shared.operations.request import Action

_PATIENCE: Final = 15.0
"""Seconds to wait for the executor: it may be waiting for an answer from the venue."""
_POLL: Final = 0.25
_SHOWN: Final = (
    "user", "venue", "state", "symbol", "side", "kind", "leg", "target", "base_size", "limit_price", "client_order_id",
    "venue_order_id", "reason",
)  # fmt: skip
_TIMES: Final = ("sent_at", "deadline_at", "accepted_at")

OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id (see `ops unknown`).")]
Filled = Annotated[bool, typer.Option("--filled", help="The venue filled it.")]
NoFill = Annotated[bool, typer.Option("--none", help="The venue never had it, or filled nothing of it.")]
Size = Annotated[str, typer.Option("--size", help="Filled amount in base; the whole order if not given.")]
Price = Annotated[str, typer.Option("--price", help="Average price; the order's limit price if not given.")]
Fee = Annotated[str, typer.Option("--fee", help="Fee in quote.")]
User = Annotated[
    str, typer.Option("--user", help="Whose order it is; all users and `master` are searched if not given.")
]


def resolve(
    order: OrderId,
    *,
    filled: Filled = False,
    none: NoFill = False,
    size: Size = "",
    price: Price = "",
    fee: Fee = "0",
    user: User = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Settle an order whose outcome is unknown, by what you saw at the venue."""
    if filled == none:
        refuse("resolve needs either --filled or --none")
    if none and (size or price or fee != "0"):
        refuse("--size, --price and --fee go with --filled only")

    async def look(settings: Settings, bus: Bus) -> StoredOrder | None:
        if user:
            await select_users(settings, bus, user, master=True)
        return await find_order(bus, order, user)

    found = run_with_bus(look)
    if found is None:
        refuse(f"no order {order}{f' of {user}' if user else ''} has a record (see `ops unknown`)")
    verdict = build_verdict(found.fields, filled=filled, size=size, price=price, fee=fee)
    if not as_json:
        _show(found, verdict)
        print("\n".join((verdict_words(found, verdict), *verdict_notes(found, verdict, verdict.verdict_at or 0))))
    confirm("Is this what you saw at the venue?", yes=yes)

    async def settle(_settings: Settings, bus: Bus) -> StoredOrder:
        if not await give_verdict(bus, found.user, found.order_id, found.fields.get("attempts", ""), verdict):
            refuse(f"order {found.order_id} has changed in the meantime; run the command again")
        await write_change(
            bus,
            Change(
                of=f"{found.user} {found.order_id}",
                before=found.fields.get("state", ""),
                mode=Action.RESOLVE,
                reason=f"ops resolve: {verdict.verdict}",
                by=operator_name(),
                at=time.time_ns() // 1_000_000,
                action=Action.RESOLVE,
            ),
        )
        return await _wait(bus, found)

    after = run_with_bus(settle)
    taken = _taken(found, after)
    if as_json:
        fields = after.fields
        said = {name: fields.get(name, "") for name in ("state", "reason", "filled_size", "cost", "fee")}
        print_json(
            {"order_id": found.order_id, "user": found.user, "taken": taken, "served": bool(after.owner), **said}
        )
    else:
        print(_outcome(after, taken=taken))
    raise typer.Exit(0 if taken else 1)


def build_verdict(fields: Mapping[str, str], *, filled: bool, size: str, price: str, fee: str) -> VerdictRecord:
    """Build the verdict on a record, or exit with what is wrong."""
    try:
        return build_verdict_of(
            fields,
            filled=filled,
            size=size,
            price=price,
            fee=fee,
            by=operator_name(),
            at=time.time_ns() // 1_000_000,
            option="--",
        )
    except ActionRefused as error:
        refuse(str(error))


async def _wait(bus: Bus, found: StoredOrder) -> StoredOrder:
    end = time.monotonic() + _PATIENCE
    while True:
        now = await find_order(bus, found.order_id, found.user) or found
        if _taken(found, now) or time.monotonic() > end:
            return now
        await asyncio.sleep(_POLL)


def _taken(before: StoredOrder, after: StoredOrder) -> bool:
    """Return whether the verdict was applied: the order has ended, or an exit has continued with its next leg."""
    return after.fields.get("state") not in UNRESOLVED_STATES or after.fields.get("attempts") != before.fields.get(
        "attempts"
    )


def _outcome(after: StoredOrder, *, taken: bool) -> str:
    fields = after.fields
    if not taken:
        name = "master" if is_master(after.user) else "executor"
        who = f"{after.owner} has not applied it yet" if after.owner else f"no {name} serves {after.user} now"
        return f"recorded, but {who}: the {name} settles the order by it as soon as it asks about the order"
    if fields.get("state") in TERMINAL:
        return f"{fields['state']}: {fields.get('reason', '')}"
    return f"applied: the exit continues ({fields.get('state')})"


def _show(found: StoredOrder, verdict: VerdictRecord) -> None:
    fields = found.fields
    rows = [(name, fields[name]) for name in _SHOWN if fields.get(name)]
    rows += [(name, clock(at)) for name in _TIMES if (at := whole(fields.get(name))) is not None]
    out = console()
    out.print(table(f"Order {found.order_id}", ["field", "value"], rows))
    out.print()
    written = [
        (name.removeprefix("verdict_"), value) for name, value in verdict.fields().items() if name != "verdict_at"
    ]
    out.print(table("To be added to the record", ["field", "value"], [row for row in written if row[1]]))
    out.print()
