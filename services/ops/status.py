"""`ops status`: services, users, readiness, nonces, the backlog of every stream, and what needs a person."""

from __future__ import annotations

from collections.abc import Mapping

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.session import connected
from services.ops.switches import read_switches
from services.ops.unknown import unknown_table
from services.ops.users import users_of
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.ledger.attention import read_differences, read_unproven
from shared.ledger.backlog import read_backlog, read_nonces
from shared.ledger.reading import known_users
from shared.ledger.status import VENUES, read_status
from shared.ledger.views import AccountView, StatusView


def status(as_json: AsJson = False) -> None:
    """Show services, users, readiness, nonces, and the backlog of every stream."""

    async def work(settings: Settings, bus: Bus) -> tuple[StatusView, dict[str, str]]:
        switches = await read_switches(bus)
        stopped = {str(scope): f"{each.mode} {each.reason}".rstrip() for scope, each in switches if scope.symbol}
        return await read(settings, bus), {name: said for name, said in stopped.items() if not said.startswith("run")}

    view, symbols = connected(work)
    if as_json:
        print_json({**view.model_dump(mode="json"), "symbol_switches": symbols})
    else:
        _show(view, symbols)


async def read(settings: Settings, bus: Bus) -> StatusView:
    """Read it all. Raises ConfigurationError, BusUnavailable."""
    policies = await users_of(settings, bus)
    users = sorted({*policies, *await known_users(bus)})
    return StatusView.of(
        await read_status(bus, policies),
        await read_backlog(bus, users),
        await read_nonces(bus),
        await read_unproven(bus, users),
        await read_differences(bus, [(user, venue) for user in users for venue in VENUES]),
    )


def _show(view: StatusView, symbols: Mapping[str, str]) -> None:
    out = console()
    ready = view.readiness
    out.print(f"[bold green]READY[/]: {len(ready.users_ready)} users" if ready.ready else "[bold red]NOT READY[/]")
    for reason in ready.reasons:
        out.print(f"  - {reason}", markup=False)
    if view.control.mode != "run":
        out.print(f"  - kill switch: {view.control.mode} {view.control.reason}", markup=False)
    for symbol, said in symbols.items():
        out.print(f"  - kill switch of {symbol}: {said}", markup=False)
    out.print()
    out.print(
        table("Services", ["service", "instance", "state"], [(s.service, s.instance, s.state) for s in view.services])
    )
    if view.faults:
        out.print()
        faults = [
            ("yes" if each.blocks else "-", each.service, each.kind, each.subject, each.reason, clock(each.since))
            for each in view.faults
        ]
        out.print(table("Faults", ["blocks", "service", "kind", "of", "reason", "since"], faults))
    out.print()
    columns = [
        "account",
        "state",
        "venue",
        "money",
        "account state",
        "equity",
        "cash",
        "as of",
        "switch",
        "served by",
        "why",
    ]
    rows = [("master", "-", *_account(each), "-", "-", each.reason) for each in view.master]
    rows += [
        (user.user, user.state, *_account(each), user.control.mode, user.owner or "nobody", user.reason)
        for user in view.users
        for each in user.accounts
    ]
    out.print(table("Accounts", columns, rows))
    out.print()
    out.print(
        table(
            "Streams",
            ["stream", "group", "entries", "pending", "lag", "dead"],
            [
                (s.stream, s.group or "-", s.length, s.pending, "?" if s.lag is None else s.lag, s.dead)
                for s in view.streams
            ],
        )
    )
    if view.unknown:
        out.print()
        out.print(unknown_table(view.unknown))
    if view.differences:
        out.print()
        rows_of = [(each.user, each.venue, each.symbol, each.text) for each in view.differences]
        out.print(table("Positions that differ", ["user", "venue", "symbol", "difference"], rows_of))
    out.print()
    out.print(table("Nonces", ["of", "key", "last"], [(n.user, n.fingerprint, n.value) for n in view.nonces]))


def _account(account: AccountView) -> tuple[str, str, str, str, str, str]:
    def amount(value: str | None) -> str:
        return f"{value} {account.currency}" if value is not None else "unknown"

    return (
        account.venue,
        account.funds or "-",
        account.state,
        amount(account.equity),
        amount(account.cash),
        clock(account.as_of),
    )
