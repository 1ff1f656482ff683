"""Reads what `ops status` shows: everything, or with many users a page of them and a count of all.

The count is taken from the states that the api stores, while an api keeps them up to date; without one every user is read, which
takes seconds with thousands. Users of the page are always read as they are now.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from services.ops.tabular import PER_PAGE, page_of
from services.ops.user.settings.opening import store_of
from services.ops.users import read_policies, read_some_policies, require_known
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_owners
from shared.bus.state.memory import MemoryUse, read_memory
from shared.bus.users.stored_states import read_stored_states
from shared.config.settings import Settings
from shared.config.users.loader import Users
from shared.domain.values.venue import VENUES
from shared.ledger.backlog import read_backlog, read_nonces
from shared.ledger.open_issues import PositionDifference, UnresolvedOrder, read_differences, read_unresolved
from shared.ledger.reading import known_users
from shared.ledger.status import SystemStatus, read_status, read_symbol_switches, read_system
from shared.ledger.user_states.chosen_users import ChosenUsers
from shared.ledger.user_states.stored_state import StoredState
from shared.ledger.user_states.user_status import read_owners, read_user_statuses
from shared.ledger.user_states.user_summary import UserSummary
from shared.ledger.views import StatusView

_FRESH_MS: Final = 15_000
"""Stored states that were kept up to date longer ago than this are not used: the api writes each second."""
_AS_STORED: Final = "\nusers of other pages are counted as the api read them last"
_MOST_UNSTORED: Final = 250
"""With more users of whom no state is stored, all are read."""


class _Needs(NamedTuple):
    """What needs the operator beside users' states."""

    memory: MemoryUse | None
    unresolved: Sequence[UnresolvedOrder]
    differences: Sequence[PositionDifference]


class _Everyone(NamedTuple):
    """All users in short; those who may have open issues; and the settings that were read for it."""

    summaries: Sequence[UserSummary]
    with_issues: Collection[str]
    policies: Users
    words: str = ""
    """How old this may be."""


async def read_all(settings: Settings, bus: Bus) -> StatusView:
    """Read the whole status. Raises ConfigurationError, BusUnavailable."""
    policies = await read_policies(settings, bus)
    users = sorted({*policies, *await known_users(bus)})
    found, symbols, needs, backlog, nonces = await asyncio.gather(
        read_status(bus, policies),
        read_symbol_switches(bus),
        _read_needs(bus, users),
        read_backlog(bus, users),
        read_nonces(bus),
    )
    found = replace(found, symbols=symbols, memory=needs.memory)
    return StatusView.of(found, backlog, nonces, needs.unresolved, needs.differences)


async def read_page(
    settings: Settings, bus: Bus, chosen: ChosenUsers, number: int, per_page: int
) -> tuple[StatusView, str]:
    """Read the status with accounts, streams and nonces of a page of the chosen users only, and what to say about the others.

    Users who do not trade come first. Raises ConfigurationError, BusUnavailable.
    """
    names = await store_of(settings, bus).names()
    if chosen.everybody and len({*names, *await known_users(bus)}) <= PER_PAGE:
        return await read_all(settings, bus), ""
    now, system = time.time_ns() // 1_000_000, await read_system(bus)
    everyone = await _stored(settings, bus, names, system, now) or await _read_everyone(settings, bus, system, now)
    by_name = {each.user: each for each in everyone.summaries}
    if chosen.user:
        require_known(chosen.user, by_name)
    page, said = page_of(chosen.of(everyone.summaries), number, per_page)
    if missing := [user for user in page if user not in everyone.policies]:
        everyone = everyone._replace(
            policies=Users({**everyone.policies, **await read_some_policies(settings, bus, missing)})
        )
    policies = [everyone.policies[user] for user in page if user in everyone.policies]
    shown, symbols, needs, backlog, nonces = await asyncio.gather(
        read_user_statuses(bus, policies, system.control, now),
        read_symbol_switches(bus),
        _read_needs(bus, sorted({*everyone.with_issues, *page})),
        read_backlog(bus, page),
        read_nonces(bus, set(page)),
    )
    by_name |= {each.policy.user: each.summary for each in shown}
    found = replace(
        system,
        symbols=symbols,
        memory=needs.memory,
        users=shown,
        everyone=tuple(by_name[user] for user in sorted(by_name)),
    )
    view = StatusView.of(found, backlog, nonces, needs.unresolved, needs.differences)
    return view, f"accounts, streams and nonces: {said}{everyone.words}" if said else ""


async def _stored(
    settings: Settings, bus: Bus, names: Sequence[str], system: SystemStatus, now: int
) -> _Everyone | None:
    """Return all users by their stored states; None if these are not kept up to date. Users without one are read."""
    stored = await read_stored_states(bus)
    if abs(now - stored.kept_at) > _FRESH_MS:
        return None
    states: dict[str, StoredState] = {}
    for user, text in stored.rows.items():
        try:
            states[user] = StoredState.read(text)
        except ValueError:
            continue  # of another version: read like a user without one
    unstored = {*names} - states.keys()
    if len(unstored) > _MOST_UNSTORED:
        return None
    owners = await read_owners(bus, list(states))
    found = [
        state.summary(user, system.control, now, served=bool(owner))
        for (user, state), owner in zip(states.items(), owners, strict=True)
    ]
    bad = {user for user, state in states.items() if state.bad_file}
    policies = await read_some_policies(settings, bus, unstored | bad) if unstored or bad else Users({})
    more = await read_user_statuses(bus, [policies[user] for user in unstored if user in policies], system.control, now)
    with_issues = {user for user, state in states.items() if state.open_issues}
    with_issues |= unstored | (_named_in_faults(system) & states.keys())
    return _Everyone([*found, *(each.summary for each in more)], with_issues, policies, _AS_STORED)


async def _read_everyone(settings: Settings, bus: Bus, system: SystemStatus, now: int) -> _Everyone:
    """Read every user."""
    policies = await read_policies(settings, bus)
    statuses = await read_user_statuses(bus, list(policies.values()), system.control, now, brief=True)
    return _Everyone([each.summary for each in statuses], {*policies, *await known_users(bus)}, policies)


def _named_in_faults(system: SystemStatus) -> set[str]:
    """Return the first word of each fault's subject: of a fault about a user it is the user's name."""
    return {each.fault.subject.partition(" ")[0] for each in system.faults}


async def _read_needs(bus: Bus, users: Iterable[str]) -> _Needs:
    """Read what needs the operator, of these users and the masters. Redis answers one reading while another is parsed."""
    names = list(users)
    places = [(user, venue) for user in names for venue in VENUES]
    masters = await read_master_owners(bus)
    return _Needs(
        *await asyncio.gather(read_memory(bus), read_unresolved(bus, [*masters, *names]), read_differences(bus, places))
    )
