"""`ops reconcile`: compares what users hold from copying with what their accounts have, now, and lowers the books if asked to.

The comparing is done by whoever serves the user: a call with the user's key from here would void the executor's nonces.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, console, print_json, table
from services.ops.session import connected
from services.ops.users import users_of
from shared.bus.connection import Bus
from shared.bus.interventions import ask_for_reconciliation
from shared.bus.records import pairs
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.reconciliation import ReconcileAnswer, ReconcileMode, ReconcileRequest
from shared.domain.policy import FileState, UserPolicy
from shared.ledger.attention import Differing, read_differences

_PATIENCE: Final = 20.0
"""Seconds to wait for answers: an executor looks every 2 s, asks its venue, and waits a while for repairs."""
_POLL: Final = 0.25

User = Annotated[str, typer.Option("--user", help="Only this user; everybody if not given.")]
Repair = Annotated[
    bool, typer.Option("--repair", help="Lower what is recorded as held to what the account has. Never trades.")
]
Account = tuple[str, str]


def reconcile(user: User = "", repair: Repair = False, as_json: AsJson = False) -> None:
    """Compare positions from copying with balances now; exit 1 while something differs or could not be compared."""

    async def work(settings: Settings, bus: Bus) -> tuple[dict[Account, ReconcileAnswer | None], list[Differing]]:
        accounts = await _accounts(settings, bus, user)
        mode = ReconcileMode.REPAIR if repair else ReconcileMode.CHECK
        return await ask(bus, accounts, mode), await read_differences(bus, accounts)

    answers, differences = connected(work)
    rows = [_row(account, answer) for account, answer in answers.items()]
    if as_json:
        told = [{"user": d.user, "venue": d.venue, "symbol": d.symbol, "text": d.text} for d in differences]
        print_json({"accounts": rows, "differences": told})
    else:
        out = console()
        columns = ["user", "venue", "differences", "repaired", "not judged", "why not"]
        out.print(table("Reconciled", columns, [list(row.values()) for row in rows]))
        if differences:
            out.print()
            shown = [(each.user, each.venue, each.symbol, each.text) for each in differences]
            out.print(table("Positions that differ", ["user", "venue", "symbol", "difference"], shown))
    clean = not differences and all(answer and not answer.reason and not answer.left_out for answer in answers.values())
    raise typer.Exit(0 if clean else 1)


async def ask(bus: Bus, accounts: Sequence[Account], mode: ReconcileMode) -> dict[Account, ReconcileAnswer | None]:
    """Ask for a pass and wait for the answers of those accounts that somebody serves; None for the others."""
    users = sorted({user for user, _ in accounts})
    owners = await bus.do_all([("GET", keys.lease(user)) for user in users])
    served = {user for user, owner in zip(users, owners, strict=True) if owner}
    request = ReconcileRequest(reconcile_at=time.time_ns() // 1_000_000, reconcile_mode=mode)
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
    policies = await users_of(settings, bus)
    if user and user not in policies:
        raise ConfigurationError(f"--user {user}: there is no such user")
    chosen = [policy for name, policy in policies.items() if _served(policy) and user in {"", name}]
    return [(policy.user, venue) for policy in chosen for venue in policy.venues]


def _served(policy: UserPolicy) -> bool:
    return policy.enabled or policy.file is FileState.GONE


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
        "reason": answer.reason if answer else "no executor has answered",
    }
