"""`ops status`: services, users, readiness, nonces, the backlog of every stream, and what needs the operator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from rich.console import Console

from services.ops.orders.unknown import show_unknown
from services.ops.output import AsJson, clock, console, money, print_json, table
from services.ops.runner import run_with_bus
from services.ops.tabular import PER_PAGE, Page, page_of
from services.ops.users import read_policies
from shared.bus.connection import Bus
from shared.bus.master_places import read_master_owners
from shared.bus.memory import MemoryUse, read_memory
from shared.config.settings import Settings
from shared.config.users.loader import Users
from shared.domain.account import NO_STREAM_RIGHT, master_owner
from shared.domain.values.venue import VENUES
from shared.ledger.account_views import AccountView, UserView
from shared.ledger.backlog import Backlog, Nonce, read_backlog, read_nonces
from shared.ledger.open_issues import PositionDifference, UnresolvedOrder, read_differences, read_unresolved
from shared.ledger.reading import known_users
from shared.ledger.status import (
    NO_EXECUTOR,
    SystemStatus,
    name_master,
    read_status,
    read_symbol_switches,
    read_system,
    read_user_statuses,
)
from shared.ledger.user_state import UserState
from shared.ledger.views import ReadinessView, StatusView

_LINES: Final = 50
"""Reasons and notes that are shown at most."""
_UNWORRYING: Final = frozenset({UserState.READY, UserState.OFF})
_MODES: Final = {
    "live": "[bold white on red] LIVE: real money [/]",
    "paper": "[bold]PAPER[/]: no real money",
    "": "[dim]mode unknown: no service reports it[/]",
}


class _Needs(NamedTuple):
    """What needs the operator beside users' states."""

    memory: MemoryUse | None
    unresolved: Sequence[UnresolvedOrder]
    differences: Sequence[PositionDifference]


def status(number: Page = 1, as_json: AsJson = False) -> None:
    """Show services, users, readiness, nonces, and the backlog of every stream; of many users a page, with --json all."""
    if as_json:
        print_json(run_with_bus(read).model_dump(mode="json"))
        return
    view, said = run_with_bus(lambda settings, bus: read_page(settings, bus, number))
    _show(view)
    if said:
        print(said)


async def read(settings: Settings, bus: Bus) -> StatusView:
    """Read the whole status. Raises ConfigurationError, BusUnavailable."""
    policies, users = await _users(settings, bus)
    found, symbols, needs, backlog, nonces = await asyncio.gather(
        read_status(bus, policies),
        read_symbol_switches(bus),
        _read_needs(bus, users),
        read_backlog(bus, users),
        read_nonces(bus),
    )
    return _view(replace(found, symbols=symbols), needs, backlog, nonces)


async def read_page(settings: Settings, bus: Bus, number: int) -> tuple[StatusView, str]:
    """Read the status with accounts and streams of a page of users only, and what to say about the others.

    Users who do not trade come first where there are several pages. Raises ConfigurationError, BusUnavailable.
    """
    policies, users = await _users(settings, bus)
    if len(users) <= PER_PAGE:
        return await read(settings, bus), ""
    now, system = time.time_ns() // 1_000_000, await read_system(bus)
    everyone, symbols, needs = await asyncio.gather(
        read_user_statuses(bus, list(policies.values()), system.control, now, brief=True),
        read_symbol_switches(bus),
        _read_needs(bus, users),
    )
    found = replace(system, symbols=symbols, users=everyone)
    by_need = sorted(everyone, key=lambda each: (each.state in _UNWORRYING, each.policy.user))
    page, said = page_of([each.policy.user for each in by_need], number)
    shown = await read_user_statuses(bus, [policies[user] for user in page], system.control, now)
    view = _view(replace(found, users=shown), needs, await read_backlog(bus, page), ())
    readiness = ReadinessView.of(found.readiness)
    return view.model_copy(update={"readiness": readiness}), f"accounts and streams: {said}, and for the nonces"


async def _users(settings: Settings, bus: Bus) -> tuple[Users, list[str]]:
    policies = await read_policies(settings, bus)
    return policies, sorted({*policies, *await known_users(bus)})


async def _read_needs(bus: Bus, users: Sequence[str]) -> _Needs:
    """Read what needs the operator, of all users. Beside other readings: Redis answers one while another is parsed."""
    places = [(user, venue) for user in users for venue in VENUES]
    masters = await read_master_owners(bus)
    return _Needs(
        *await asyncio.gather(read_memory(bus), read_unresolved(bus, [*masters, *users]), read_differences(bus, places))
    )


def _view(found: SystemStatus, needs: _Needs, backlog: Sequence[Backlog], nonces: Sequence[Nonce]) -> StatusView:
    found = replace(found, memory=needs.memory)
    return StatusView.of(found, backlog, nonces, needs.unresolved, needs.differences)


def _show(view: StatusView) -> None:
    out = console()
    _show_head(out, view)
    out.print()
    rows = [(each.service, each.state, each.instance) for each in view.services]
    out.print(table("Services", ["service", "state", "instance"], rows, empty="no service has a heartbeat"))
    if view.faults:
        out.print()
        faults = [
            (
                "yes" if each.blocks else "-",
                each.service,
                each.kind,
                f"{each.subject}: {each.reason}",
                clock(each.since),
            )
            for each in view.faults
        ]
        out.print(table("Faults", ["blocks", "service", "kind", "what", "since (UTC)"], faults))
    out.print()
    _show_accounts(out, view)
    out.print()
    streams = [
        (each.stream, each.length, each.pending, "?" if each.lag is None else each.lag, each.dead)
        for each in view.streams
    ]
    out.print(table("Streams", ["stream", "entries", "pending", "lag", "dead"], streams))
    if view.unknown:
        out.print()
        show_unknown(out, view.unknown)
    if view.differences:
        out.print()
        rows_of = [(each.user, each.venue, each.symbol, each.text) for each in view.differences]
        out.print(table("Positions that differ", ["user", "venue", "symbol", "difference"], rows_of))
    out.print()
    if not view.nonces and len(view.users) == PER_PAGE:
        return  # a page of many users: they are not read
    nonces = [(each.user, each.fingerprint, each.value) for each in view.nonces]
    out.print(table("Nonces", ["user", "key", "last"], nonces, empty="no key has been used yet"))


def _show_head(out: Console, view: StatusView) -> None:
    """Show the mode, whether signals are copied, and for which users they are not."""
    ready = view.readiness
    out.print(_MODES[view.mode] + ("; master: mirror only, no strategy trades" if view.mirror_only else ""))
    colour = "green" if not ready.notes and not ready.users_parked and not ready.users_unknown else "yellow"
    out.print(f"[bold {colour}]READY[/]: {ready.users}" if ready.ready else f"[bold red]NOT READY[/]: {ready.users}")
    lines = [*ready.reasons, *ready.notes]
    for line in lines[:_LINES]:
        out.print(f"  - {line}", markup=False)
    if len(lines) > _LINES:
        out.print(f"  - and {len(lines) - _LINES} more", markup=False)


def _show_accounts(out: Console, view: StatusView) -> None:
    """Show accounts, and below them why users are not trading: a reason is a sentence, too long for a cell."""
    rows = [(master_owner(each.master), *_account(each, each.state, "-")) for each in view.master]
    rows += [
        (user.user, *_account(each, user.state, _copies(user, each))) for user in view.users for each in user.accounts
    ]
    columns = ["account", "state", "venue", "copies", "money", "equity", "cash", "as of (UTC)", "ends by"]
    out.print(table("Accounts", columns, rows, empty="no account is known yet"))
    for each in view.master:
        if each.reason:
            out.print(f"  {name_master(each.venue, master_owner(each.master))}: {each.reason}", markup=False)
    for user in view.users:
        if user.reason:
            out.print(f"  {user.user}: {user.reason}", markup=False)
        if user.state != UserState.OFF and not user.owner and user.reason != NO_EXECUTOR:
            out.print(f"  {user.user}: {NO_EXECUTOR}", markup=False)
        for each in user.accounts:
            if NO_STREAM_RIGHT in each.served:
                out.print(f"  {user.user} ({each.venue}): {each.served}", markup=False)
        if user.stage_words:
            out.print(f"  {user.user}: {user.stage_words}", markup=False)
        for why in user.waiting.values():
            out.print(f"  {user.user}: [follow] was changed: {why}", markup=False)


def _copies(user: UserView, account: AccountView) -> str:
    """Describe whose copies an account holds, and whether entries still go there."""
    return account.copies if user.follow.get(account.copies) == account.venue else f"{account.copies} (exits)"


def _account(account: AccountView, state: str, copies: str) -> tuple[str, ...]:
    cash = money(account.cash, account.currency)
    return (
        state,
        account.venue,
        copies,
        account.funds or "-",
        money(account.equity, account.currency),
        cash,
        clock(account.as_of),
        account.served.partition(":")[0] or "-",
    )
