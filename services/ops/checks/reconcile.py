"""`ops reconcile`: compare copied positions with account balances now, and lower the books on request.

The executor that serves the user does the comparison: a call with the user's key from here would void the executor's nonces.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import read_policies, select_users
from shared.bus.connection import Bus
from shared.bus.order.interventions import ask_for_reconciliation
from shared.bus.state.records import pairs
from shared.bus.state.venue_time import VenueTimes
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.reconciliation import ReconcileAnswer, ReconcileMode, ReconcileRequest
from shared.domain.limits.policy import FileState, OnLeave, UserPolicy
from shared.domain.values.venue import VENUES
from shared.ledger.open_issues import PositionDifference, read_differences

_PATIENCE: Final = 20.0
"""Seconds to wait for answers: an executor looks every 2 s, asks its venue, and waits a while for repairs."""
_POLL: Final = 0.25
_NO_ANSWER: Final = "no executor has answered"

User = Annotated[str, typer.Option("--user", help="Only this user; all users if not given.")]
Repair = Annotated[
    bool, typer.Option("--repair", help="Lower what is recorded as held to what the account has. Never trades.")
]
Account = tuple[str, str]


def reconcile(user: User = "", repair: Repair = False, as_json: AsJson = False) -> None:
    """Compare positions from copying with balances now; exit 1 if something differs or an account could not be compared.

    A position that has traded within the last seconds is not compared: it is named, and does not count as a difference.
    """

    async def work(
        settings: Settings, bus: Bus
    ) -> tuple[dict[Account, ReconcileAnswer | None], list[PositionDifference]]:
        accounts = await _accounts(settings, bus, user)
        mode = ReconcileMode.REPAIR if repair else ReconcileMode.CHECK
        return await ask(bus, accounts, mode), await read_differences(bus, accounts)

    answers, differences = run_with_bus(work)
    if as_json:
        rows = [_row(account, answer) for account, answer in answers.items()]
        different = [{"user": d.user, "venue": d.venue, "symbol": d.symbol, "text": d.text} for d in differences]
        print_json({"accounts": rows, "differences": different})
    else:
        _show(answers, differences)
    compared = all(answer is not None and not answer.reason for answer in answers.values())
    raise typer.Exit(0 if compared and not differences else 1)


def _show(answers: Mapping[Account, ReconcileAnswer | None], differences: Sequence[PositionDifference]) -> None:
    out = console()
    rows = [(user, venue, describe(answer)) for (user, venue), answer in answers.items()]
    out.print(table("Reconciled", ["user", "venue", "result"], rows, empty="there is no account to compare"))
    if differences:
        out.print()
        shown = [(each.user, each.venue, each.symbol, each.text) for each in differences]
        out.print(table("Positions that differ", ["user", "venue", "symbol", "difference"], shown))
    out.print()
    failed = sum(answer is None or bool(answer.reason) for answer in answers.values())
    if differences or failed:
        found = [f"{len(differences)} positions differ"] if differences else []
        found += [f"{failed} accounts could not be compared"] if failed else []
        out.print(f"[bold red]NOT OK[/]: {', '.join(found)}")
    elif any(answer and answer.left_out for answer in answers.values()):
        out.print("[bold green]OK[/]: nothing differs in what could be compared; repeat it for the rest")
    else:
        out.print("[bold green]OK[/]: positions from copying and balances agree")


def describe(answer: ReconcileAnswer | None) -> str:
    """Describe the result for one account."""
    if answer is None or answer.reason:
        return f"not compared: {answer.reason if answer else _NO_ANSWER}"
    found = f"{answer.found} differ" if answer.found else "agrees"
    repaired = f", {answer.repaired} repaired" if answer.repaired else ""
    fresh = f"; not compared, because it is trading: {answer.left_out}" if answer.left_out else ""
    return found + repaired + fresh


async def ask(bus: Bus, accounts: Sequence[Account], mode: ReconcileMode) -> dict[Account, ReconcileAnswer | None]:
    """Request a reconciliation and wait for the answers of accounts with an executor; None for the others."""
    users = sorted({user for user, _ in accounts})
    owners = await bus.do_all([("GET", keys.lease(user)) for user in users])
    served = {user for user, owner in zip(users, owners, strict=True) if owner}
    times = VenueTimes(bus, VENUES, lambda: time.time_ns() // 1_000_000)
    await times.refresh()  # the executor judges the age of a request by the venue's time
    request = ReconcileRequest(reconcile_at=times(), reconcile_mode=mode)
    for user in sorted(served):
        await ask_for_reconciliation(bus, user, request)
    answers: dict[Account, ReconcileAnswer | None] = dict.fromkeys(accounts)
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        waiting = [account for account in accounts if account[0] in served and answers[account] is None]
        if not waiting:
            break
        found = await bus.do_all([("HGETALL", keys.reconciled(user, venue)) for user, venue in waiting])
        answers.update({account: _answer(pairs(said), request) for account, said in zip(waiting, found, strict=True)})
        await asyncio.sleep(_POLL)
    return answers


async def _accounts(settings: Settings, bus: Bus, user: str) -> list[Account]:
    """Return the accounts of active users, and those of a named user even if their file is gone."""
    policies = await read_policies(settings, bus)
    users = await select_users(settings, bus, user)
    found = []
    for name in users:
        policy = policies.get(name)
        if policy is not None and _served(policy):
            found += [(name, venue) for venue in policy.venues]
        elif user:
            found += [(name, venue) for venue in (policy.venues if policy else VENUES)]
    return found


def _served(policy: UserPolicy) -> bool:
    return policy.enabled or (policy.file is FileState.GONE and policy.on_leave is not OnLeave.KEEP)


def _answer(fields: Mapping[str, str], request: ReconcileRequest) -> ReconcileAnswer | None:
    try:
        answer = ReconcileAnswer.parse(fields)
    except MalformedMessageError:
        return None
    return answer if answer.asked_at >= request.reconcile_at else None


def _row(account: Account, answer: ReconcileAnswer | None) -> dict[str, object]:
    user, venue = account
    return {
        "user": user,
        "venue": venue,
        "found": answer.found if answer else None,
        "repaired": answer.repaired if answer else None,
        "left_out": answer.left_out if answer else "",
        "reason": answer.reason if answer else _NO_ANSWER,
    }
