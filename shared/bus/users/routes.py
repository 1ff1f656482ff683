"""The record of which master each account of a user copies: fields of `shoal:following:{user}`, beside where following began.

`account:<venue>` is the master whose copies an account holds, `follow:<master>` the venue to which a master's entries go. Only
what differs from a user without `[follow]` is recorded. The engine writes it, between two signals; commands and pages read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.domain.routes import Routes, initial, routed

_ACCOUNT: Final = "account:"
_FOLLOW: Final = "follow:"


def read_routes(fields: Mapping[str, str]) -> Routes:
    """Parse the routes in a following record."""
    return Routes(_part(fields, _ACCOUNT), _part(fields, _FOLLOW))


def route_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a following record that are routes: for a user who is renamed."""
    return {name: value for name, value in fields.items() if name.startswith((_ACCOUNT, _FOLLOW))}


def changes_of(user: str, before: Routes, after: Routes) -> list[tuple[str, ...]]:
    """Return the commands that change a user's recorded routes."""
    old, new = _fields(before), _fields(after)
    key = keys.following(user)
    commands = [("HDEL", key, name) for name in old.keys() - new.keys()]
    return commands + [("HSET", key, name, value) for name, value in new.items() if old.get(name) != value]


async def routed_users(bus: Bus, policies: Sequence[UserPolicy]) -> list[UserPolicy]:
    """Return users with the routes that are in effect. Raises BusUnavailable."""
    answers = await bus.do_all([("HGETALL", keys.following(policy.user)) for policy in policies])
    return [routed(policy, effective(policy, pairs(answer))) for policy, answer in zip(policies, answers, strict=True)]


def effective(policy: UserPolicy, fields: Mapping[str, str]) -> Routes:
    """Return the routes in a following record; those of the file for a user of whom nothing is recorded."""
    return read_routes(fields) if fields.get("from") else initial(policy)


def _part(fields: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in fields.items() if name.startswith(prefix)}


def _fields(routes: Routes) -> dict[str, str]:
    accounts = {f"{_ACCOUNT}{venue}": master for venue, master in routes.copied.items()}
    return accounts | {f"{_FOLLOW}{master}": venue for master, venue in routes.entries.items()}
