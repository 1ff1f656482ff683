"""From which signal on each user is followed, as it stands in Redis, so that `audit` knows what was due to whom.

And who is still to be joined to what the master had open when he began to follow: it stands there until it is done, so that an
engine which dies in between leaves it to the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.records import pairs
from shared.bus.streams import Group, entry_order, flatten
from shared.contracts import keys
from shared.domain.limits.policy import OnJoin, UserPolicy
from shared.domain.values.numerals import whole

_JOINING: Final = "joining"


@dataclass(frozen=True, slots=True)
class PendingJoin:
    """A user who is still to be joined: since when (epoch ms) he follows, and the entry id of the last signal before that."""

    start: str
    since: int


async def record_followers(
    bus: Bus, group: Group, users: Sequence[UserPolicy], now: int, owed: Collection[str] = ()
) -> Mapping[str, PendingJoin]:
    """Note who is followed from here on and who no longer is; answer who is still to be joined.

    Only between two signals: none may be half carried, except those that are `owed` to users who were there before.
    """
    last = await _last_distributed(group, owed)
    due = {keys.following(policy.user): policy for policy in users}
    joining, begun = {}, []
    for (key, policy), answer in zip(due.items(), await bus.do_all([("HGETALL", key) for key in due]), strict=True):
        fields = pairs(answer)
        if not fields.get("from") or fields.get("until"):
            fields = _initial_fields(policy, last, now, fields)
            begun.append(("HSET", key, *flatten(fields)))
        if (since := whole(fields.get(_JOINING))) is not None:
            joining[policy.user] = PendingJoin(fields["from"], since)
    await bus.do_all(begun)
    gone = sorted(set(await bus.scan(keys.following("*"))) - due.keys())
    ended = await bus.do_all([("HGET", key, "until") for key in gone])
    # What cannot be read of one user (a key of another type) is no reason to carry nothing to the others.
    await bus.do_all([("HSET", key, "until", last) for key, until in zip(gone, ended, strict=True) if not until])
    return joining


async def record_joined(bus: Bus, user: str) -> None:
    """Note that nothing is left to be joined: every decision about it stands in his stream."""
    await bus.do("HSET", keys.following(user), _JOINING, "")


def _initial_fields(policy: UserPolicy, last: str, now: int, before: Mapping[str, str]) -> dict[str, str]:
    """Give what is written of a user who begins to follow, all at once: half of it would lose his joining."""
    fields = {"from": last}
    if "until" in before:
        fields["until"] = ""
    if policy.enabled and policy.on_join is OnJoin.COPY_OPEN:
        fields[_JOINING] = str(now)
    elif _JOINING in before:
        fields[_JOINING] = ""
    return fields


async def _last_distributed(group: Group, owed: Collection[str]) -> str:
    """Give the id up to which every signal has reached all users: what is pending (a predecessor died) has not."""
    pending = [entry for entry in await group.read_pending(keys.SIGNALS, count=len(owed) + 1) if entry.id not in owed]
    if not pending:
        return await group.last_delivered(keys.SIGNALS)
    ms, sequence = entry_order(pending[0].id)
    return f"{ms}-{sequence - 1}" if sequence else f"{max(ms - 1, 0)}-{2**64 - 1 if ms else 0}"
