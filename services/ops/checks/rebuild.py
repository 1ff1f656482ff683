"""`ops rebuild`: rebuild books that Redis has lost from the exchange's own record of Shoal's orders.

The executor that serves the user asks the exchange: a call with the user's key from here would void the executor's nonces.
Everything is shown first; nothing is written without a confirmation.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.user.settings.opening import load_all
from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.order.interventions import ask_for_rebuilding
from shared.bus.state.records import pairs
from shared.bus.state.venue_time import VenueTimes
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.rebuilding import RebuildAnswer, RebuildMode, RebuildRequest, read_held
from shared.domain.values.venue import VENUES

_PATIENCE: Final = 60.0
"""Seconds to wait for answers: a list of several weeks' orders takes several calls."""
_POLL: Final = 0.25
_KEPT: Final = 100_000

Account = tuple[str, str]
Answers = Mapping[Account, RebuildAnswer | None]

User = Annotated[str, typer.Option("--user", help="Only this user; every user whose books are lost if not given.")]
NotOurs = Annotated[
    bool,
    typer.Option(
        "--not-ours",
        help="Start empty books instead: the orders at the exchange are not Shoal's, or the key is of another account than "
        "before. Sells nothing.",
    ),
]


def rebuild(user: User = "", not_ours: NotOurs = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Rebuild books that Redis has lost from the exchange's record; exit 1 if an account could not be rebuilt."""

    async def look(settings: Settings, bus: Bus) -> Answers:
        return await ask(bus, await _lost(settings, bus, user), RebuildMode.LOOK)

    seen = run_with_bus(look)
    if not seen:
        _show({}, as_json=as_json)
        return
    if not as_json:
        _show(seen, as_json=False)
    ready = [account for account, answer in seen.items() if answer and not answer.reason]
    if ready:
        what = "Start empty books" if not_ours else "Rebuild the books"
        confirm(f"{what} of {', '.join(f'{name} at {venue}' for name, venue in ready)}?", yes=yes)
    mode = RebuildMode.DISOWN if not_ours else RebuildMode.WRITE

    async def write(_settings: Settings, bus: Bus) -> Answers:
        answers = await ask(bus, ready, mode)
        for account, answer in answers.items():
            if answer and answer.written:
                await _note(bus, account, answer, mode)
        return answers

    written = run_with_bus(write) if ready else {}
    _show({**seen, **written}, as_json=as_json)
    done = [answer for answer in written.values() if answer and answer.written]
    raise typer.Exit(0 if len(done) == len(seen) else 1)


async def ask(bus: Bus, accounts: Sequence[Account], mode: RebuildMode) -> dict[Account, RebuildAnswer | None]:
    """Ask about these accounts and wait for the answers of those with an executor; None where none answered."""
    answers: dict[Account, RebuildAnswer | None] = dict.fromkeys(accounts)
    times = VenueTimes(bus, VENUES, lambda: time.time_ns() // 1_000_000)
    await times.refresh()  # the executor judges the age of a request by the venue's time
    request = RebuildRequest(rebuild_at=times(), rebuild_mode=mode)
    users = sorted({user for user, _ in accounts})
    owners = await bus.do_all([("GET", keys.lease(user)) for user in users])
    served = {user for user, owner in zip(users, owners, strict=True) if owner}
    for user in sorted(served):
        await ask_for_rebuilding(bus, user, request)
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        waiting = [account for account, answer in answers.items() if account[0] in served and answer is None]
        if not waiting:
            break
        found = await bus.do_all([("HGETALL", keys.rebuilt(*account)) for account in waiting])
        answers.update({account: _answer(pairs(said), request) for account, said in zip(waiting, found, strict=True)})
        await asyncio.sleep(_POLL)
    return answers


async def _lost(settings: Settings, bus: Bus, user: str) -> list[Account]:
    """Return the accounts without books in Redis, and those whose books are of another account than the key.

    A new user's are among them until an executor has created them.
    """
    policies = await load_all(settings, bus)
    if user and user not in policies:
        raise ConfigurationError(f"--user {user}: there is no such user")
    accounts = [(name, venue) for name, policy in policies.items() if user in {"", name} for venue in policy.venues]
    found = await bus.do_all([("HMGET", keys.books(*account), "funds", "other_key") for account in accounts])
    marks = [answer if isinstance(answer, list) else ["of another type", None] for answer in found]
    return [account for account, (funds, other) in zip(accounts, marks, strict=True) if funds is None or other]


async def _note(bus: Bus, account: Account, answer: RebuildAnswer, mode: RebuildMode) -> None:
    held = ", ".join(size for size, _ in read_held(answer.held).values()) or "nothing"
    why = (
        "the orders at the exchange are not Shoal's"
        if mode is RebuildMode.DISOWN
        else f"{answer.orders} orders, {held} held"
    )
    entry = {
        "v": "1",
        "of": account[0],
        "before": "books lost",
        "mode": "rebuild",
        "reason": f"ops rebuild at {account[1]}: {why}",
        "by": operator_name(),
        "at": str(answer.at),
    }
    await bus.do("XADD", keys.CONTROL_LOG, "MAXLEN", "~", _KEPT, "*", *flatten(entry))


def _answer(fields: Mapping[str, str], request: RebuildRequest) -> RebuildAnswer | None:
    try:
        answer = RebuildAnswer.parse(fields)
    except MalformedMessageError:
        return None
    return answer if answer.asked_at >= request.rebuild_at else None


def _show(answers: Answers, *, as_json: bool) -> None:
    rows = [_row(account, answer) for account, answer in answers.items()]
    if as_json:
        print_json({"accounts": rows})
    elif not rows:
        print("no books are lost: nothing to rebuild")
    else:
        columns = ["user", "venue", "orders", "held", "more sold than bought", "written", "why not"]
        shown = [[*list(row.values())[:3], _held_words(row), *list(row.values())[4:]] for row in rows]
        console().print(table("Books from the exchange's record", columns, shown))


def _row(account: Account, answer: RebuildAnswer | None) -> dict[str, object]:
    user, venue = account
    return {
        "user": user,
        "venue": venue,
        "orders": answer.orders if answer else None,
        "held": dict(read_held(answer.held)) if answer else {},
        "uncovered": answer.uncovered if answer else "",
        "written": bool(answer and answer.written),
        "reason": answer.reason if answer else "no executor has answered: is one running, and are these books lost?",
    }


def _held_words(row: Mapping[str, object]) -> str:
    held = row["held"]
    assert isinstance(held, dict)  # noqa: S101  # as made above
    return ", ".join(f"{size} of {symbol} for {cost}" for symbol, (size, cost) in held.items()) or "nothing"
