"""`ops status`: services, users, readiness, nonces, the backlog of every stream, and what needs the operator."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.console import Console

from services.ops.orders.unknown import show_unknown
from services.ops.output import AsJson, clock, console, money, print_json, table
from services.ops.runner import run_with_bus
from services.ops.system.status_page import read_all, read_page
from services.ops.tabular import PER_PAGE, PerPage
from shared.domain.account import NO_STREAM_RIGHT, master_owner
from shared.ledger.account_views import AccountView, UserView
from shared.ledger.status import name_master
from shared.ledger.user_state import UserState
from shared.ledger.user_states.chosen_users import ChosenUsers
from shared.ledger.user_states.user_status import NO_EXECUTOR
from shared.ledger.views import StatusView

_LINES: Final = 50
"""Reasons and notes that are shown at most."""
_MODES: Final = {
    "live": "[bold white on red] LIVE: real money [/]",
    "paper": "[bold]PAPER[/]: no real money",
    "": "[dim]mode unknown: no service reports it[/]",
}


OfState = Annotated[UserState | None, typer.Option("--state", help="Only users in this state.")]
OfGroup = Annotated[str | None, typer.Option("--group", help="Only users of this group; '' for those without one.")]
OneUser = Annotated[str, typer.Option("--user", help="Only this user.")]
SomePage = Annotated[int | None, typer.Option("--page", min=1, help="Which page of the users.")]


def status(
    user: OneUser = "",
    state: OfState = None,
    group: OfGroup = None,
    number: SomePage = None,
    per_page: PerPage = PER_PAGE,
    as_json: AsJson = False,
) -> None:
    """Show services, users, readiness, nonces, and the backlog of streams; of many users a page, with --json all.

    Everybody is counted, whichever users are shown. With --json, --user, --state, --group and --page choose users too.
    """
    chosen = ChosenUsers(user, state, group)
    if as_json and number is None and chosen.everybody:
        print_json(run_with_bus(read_all).model_dump(mode="json"))
        return
    view, said = run_with_bus(lambda settings, bus: read_page(settings, bus, chosen, number or 1, per_page))
    if as_json:
        print_json(view.model_dump(mode="json"))
        return
    _show(view)
    if said:
        print(said)


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
        if user.state != UserState.OFF and not user.owner and NO_EXECUTOR not in user.reason:
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
