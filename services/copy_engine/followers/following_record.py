"""The record in Redis of the signal from which each user follows, so that `audit` knows which signals were due to whom.

It also records pending joins to positions that the master had open when a user started to follow. A pending join stays recorded
until it is done, so that the next engine continues it after a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Group, entry_order, flatten
from shared.bus.state.records import pairs
from shared.bus.users.user_index import add_to_index
from shared.contracts import keys
from shared.domain.limits.policy import OnJoin, UserPolicy
from shared.domain.values.numerals import whole

_JOINING: Final = "joining"


@dataclass(frozen=True, slots=True)
class PendingJoin:
    """A pending join: the entry id of the last signal before the user followed, and since when they follow (epoch ms)."""

    start: str
    since: int


async def record_followers(
    bus: Bus, group: Group, users: Sequence[UserPolicy], now: int, owed: Collection[str] = ()
) -> Mapping[str, PendingJoin]:
    """Record who follows from here on and who no longer does; return the pending joins by user.

    Call it only between two signals: none may be half distributed, except those `owed` to users who followed before.
    """
    last = await _last_distributed(group, owed)
    due = {keys.following(policy.user): policy for policy in users}
    joining, started = {}, []
    for (key, policy), answer in zip(due.items(), await bus.do_all([("HGETALL", key) for key in due]), strict=True):
        fields = pairs(answer)
        if not fields.get("from") or fields.get("until"):
            fields = _initial_fields(policy, last, now, fields)
            started.append(("HSET", key, *flatten(fields)))
        if (since := whole(fields.get(_JOINING))) is not None:
            joining[policy.user] = PendingJoin(fields["from"], since)
    await add_to_index(bus, [policy.user for policy in users], now)
    await bus.do_all(started)
    gone = sorted(set(await bus.scan(keys.following("*"))) - due.keys())
    ended = await bus.do_all([("HGET", key, "until") for key in gone])
    # An unreadable record of one user (a key of another type) must not stop the others.
    await bus.do_all([("HSET", key, "until", last) for key, until in zip(gone, ended, strict=True) if not until])
    return joining


async def record_joined(bus: Bus, user: str) -> None:
    """Record that a join is done: every decision about it is in the user's stream."""
    await bus.do("HSET", keys.following(user), _JOINING, "")


def _initial_fields(policy: UserPolicy, last: str, now: int, before: Mapping[str, str]) -> dict[str, str]:
    """Return all fields for a user who starts to follow. They are written at once: a partial write would lose the join."""
    fields = {"from": last}
    if "until" in before:
        fields["until"] = ""
    if policy.enabled and policy.on_join is OnJoin.COPY_OPEN:
        fields[_JOINING] = str(now)
    elif _JOINING in before:
        fields[_JOINING] = ""
    return fields


async def _last_distributed(group: Group, owed: Collection[str]) -> str:
    """Return the id up to which every signal has reached all users; pending ones (of an engine that died) have not."""
    pending = [entry for entry in await group.read_pending(keys.SIGNALS, count=len(owed) + 1) if entry.id not in owed]
    if not pending:
        return await group.last_delivered(keys.SIGNALS)
    ms, sequence = entry_order(pending[0].id)
    return f"{ms}-{sequence - 1}" if sequence else f"{max(ms - 1, 0)}-{2**64 - 1 if ms else 0}"
