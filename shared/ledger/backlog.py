"""How far each group has read its stream, how many dead letters there are, and the last nonces."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.bus.users.user_index import user_of
from shared.contracts import keys
from shared.domain.values.numerals import whole


@dataclass(frozen=True, slots=True)
class Backlog:
    """One group on one stream. `lag` counts entries not delivered yet, `pending` those delivered and not acknowledged."""

    stream: str
    group: str
    length: int
    added: int
    """Entries ever appended, trimmed ones included."""
    pending: int
    lag: int | None
    """None if Redis does not know it, after a deletion from the middle."""
    last_delivered: str
    dead: int

    @property
    def waiting(self) -> int:
        """Return how many entries are not processed yet."""
        return self.pending + (self.lag or 0)


@dataclass(frozen=True, slots=True)
class Nonce:
    """The last nonce of one API key, which is named by its fingerprint."""

    user: str
    fingerprint: str
    value: int


async def read_backlog(bus: Bus, users: Sequence[str]) -> list[Backlog]:
    """Read the backlog of the signal stream and each order stream: one row per group, or one without a group."""
    return await read_streams(bus, [keys.SIGNALS, *(keys.orders(user) for user in users)])


async def read_streams(bus: Bus, streams: Sequence[str]) -> list[Backlog]:
    """Read the backlog of these streams: one row per group, or one without a group. Raises BusUnavailable."""
    groups = await bus.do_all([("XINFO", "GROUPS", stream) for stream in streams])
    facts = await bus.do_all([("XINFO", "STREAM", stream) for stream in streams])
    dead = await bus.do_all([("XLEN", keys.dead(stream)) for stream in streams])
    found = []
    for stream, rows, fact, buried in zip(streams, groups, facts, dead, strict=True):
        described = rows if isinstance(rows, list) and rows else [[]]
        found += [_line(stream, pairs(fact), buried, row) for row in described]
    return found


async def read_nonces(bus: Bus, users: Collection[str] | None = None) -> list[Nonce]:
    """Read the nonce counters of these users, by default of everybody with one, by user. Raises BusUnavailable.

    The keys with which accounts were served are listed. Without a list (of an older version) the keyspace is scanned.
    """
    listed = [str(field).partition(" ") for field in await bus.do("HKEYS", keys.SERVED_KEYS)]
    counters = [keys.nonce(user, fingerprint) for user, _, fingerprint in listed]
    counters = counters or await bus.scan(keys.nonce("*", "*"))
    names = sorted({name for name in counters if users is None or user_of(name) in users})
    values = await bus.do_all([("GET", name) for name in names])
    return [
        Nonce(user_of(name), name.rpartition(":")[2], count)
        for name, value in zip(names, values, strict=True)
        if (count := whole(str(value), digits=19)) is not None
    ]


def _line(stream: str, about: Mapping[str, Any], dead: Any, row: Any) -> Backlog:
    facts: dict[str, Any] = dict(pairs(row))
    length = int(about.get("length", 0))
    lag = facts.get("lag", length)  # without a group every entry is still to be read
    return Backlog(
        stream=stream,
        group=str(facts.get("name", "")),
        length=length,
        added=int(about.get("entries-added", length)),
        pending=int(facts.get("pending", 0)),
        lag=None if lag is None else int(lag),
        last_delivered=str(facts.get("last-delivered-id", "")),
        dead=dead if isinstance(dead, int) else 0,
    )
