"""`ops user list`: every user with state, venues, whether their keys are here, and what they hold. Shows no part of a key.

Names are selected before their files and records are read, so a page costs the same with ten users and with ten thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.user.settings.opening import store_of
from shared.bus.connection import Bus
from shared.bus.state.records import Records, read_holdings
from shared.bus.users.last_settings import holders_outside
from shared.config.keys.secrets import key_sources
from shared.config.settings import Settings
from shared.config.users.loader import FileProblem
from shared.contracts import keys
from shared.domain.account import Account
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.venue import VENUES
from shared.ledger.stages.rows import StageRow, read_stages
from shared.operations.errors import ActionRefused
from shared.operations.settings.user_store import UserStore, judge

_PAGE: Final = 50

Text = Annotated[str, typer.Argument(metavar="[TEXT]", help="Only users whose id contains this.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many users to show.")]
Skip = Annotated[int, typer.Option("--skip", min=0, help="How many users to leave out at the beginning.")]


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user. `stage` is empty without a usable file; `key` says by venue where this command sees a key, never what it is."""

    user: str
    state: str
    stage: str
    venues: Sequence[str]
    accounts: Mapping[str, str]
    key: Mapping[str, str]
    held: str


def list_users(text: Text = "", limit: Limit = _PAGE, skip: Skip = 0, as_json: AsJson = False) -> None:
    """List users: state, venues, whether the key is here, and what is held. Users without a file who hold something too."""

    async def work(settings: Settings, bus: Bus) -> tuple[int, list[UserRow]]:
        store = store_of(settings, bus)
        with_file = set(await store.names())
        names = sorted(name for name in with_file | await holders_outside(bus, with_file) if text in name)
        shown = names[skip : skip + limit]
        return len(names), await _rows(settings, store, bus, shown, with_file)

    total, rows = run_with_bus(work)
    if as_json:
        print_json({"total": total, "users": [asdict(row) for row in rows]})
        return
    cells = [
        [
            row.user,
            row.state,
            row.stage,
            ", ".join(f"{venue}: {row.accounts[venue]}" for venue in row.venues),
            ", ".join(f"{venue}: {place}" for venue, place in row.key.items()),
            row.held or "nothing",
        ]
        for row in rows
    ]
    columns = ["user", "state", "stage", "accounts", "key here", "held"]
    console().print(table("Users", columns, cells, empty=f"no user{f' whose id contains {text}' if text else ''}"))
    if len(rows) < total:
        print(f"{len(rows)} of {total} users; --limit and --skip show others")


async def _rows(
    settings: Settings, store: UserStore, bus: Bus, names: Sequence[str], with_file: set[str]
) -> list[UserRow]:
    places: list[tuple[str, str]] = [(name, venue) for name in names for venue in VENUES]
    held = await bus.do_all([("HGETALL", keys.positions(*place)) for place in places])
    leases = await bus.do_all([("EXISTS", keys.lease(name)) for name in names])
    accounts = dict(zip(places, await Records(bus).accounts(places), strict=True))
    holdings: dict[str, list[str]] = {}
    where: dict[str, list[str]] = {}
    for (name, venue), answer in zip(places, held, strict=True):
        if words := _held(answer):
            holdings.setdefault(name, []).extend(words)
            where.setdefault(name, []).append(venue)
    files = {name: await _read(settings, store, name) for name in names if name in with_file}
    stages = await read_stages(bus, [each for each in files.values() if isinstance(each, UserPolicy)])
    rows = []
    for name, served in zip(names, leases, strict=True):
        found = files.get(name)
        policy = found if isinstance(found, UserPolicy) else None
        venues = list(policy.venues) if policy else where.get(name, [])
        rows.append(
            UserRow(
                user=name,
                state=_state(found, holds=bool(holdings.get(name))),
                stage=_stage(stages.get(name)),
                venues=venues,
                accounts={venue: _account(accounts[name, venue], served=bool(served)) for venue in venues},
                key={venue: _key(venue, name) for venue in venues},
                held=", ".join(holdings.get(name, [])),
            )
        )
    return rows


async def _read(settings: Settings, store: UserStore, user: str) -> UserPolicy | FileProblem | None:
    try:
        present = await store.read(user)
    except ActionRefused as error:
        return FileProblem(user, Path(store.place(user)), str(error))
    return None if present is None else judge(settings.shoal_config, present)


def _held(answer: object) -> list[str]:
    found = read_holdings(answer)
    sizes = [str(position.size) for _, position in sorted(found.positions.items(), key=str) if position.size.amount > 0]
    return sizes + [f"{name} (unreadable)" for name in found.unreadable]


def _state(found: UserPolicy | FileProblem | None, *, holds: bool) -> str:
    if found is None:
        return "gone, still holds" if holds else "gone"
    if isinstance(found, FileProblem):
        return f"bad file: {found.why}"
    return "enabled" if found.enabled else f"disabled, on_leave = {found.on_leave}"


def _stage(row: StageRow | None) -> str:
    if row is None:
        return ""
    return f"{row.stage}, climbs to {row.max}" if row.auto else row.stage


def _account(account: Account | None, *, served: bool) -> str:
    if not served:
        return "not served"
    if account is None:
        return "not connected yet"
    return f"{account.state}{f' ({account.reason})' if account.reason else ''}"


def _key(venue: str, user: str) -> str:
    """Return where this command sees a key; services may have others, in their own environment."""
    places = ("variable", "folder", "folder (sealed)")
    return (
        " and ".join(place for place, source in zip(places, key_sources(venue, user), strict=False) if source.given())
        or "no"
    )
