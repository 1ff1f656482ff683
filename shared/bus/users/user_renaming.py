"""Moves everything that Redis holds of a user to another name: for `ops user rename`, under the leases of both.

The two names are in different slots, so the move is not one step, but it has one commit. Before it, the old name has everything
and the new one has copies that must not be traded by (`taken_from`). After it, the old name has nothing that could be sold, and
records the new name. Each half can be repeated. The streams of decisions, reports, stop-outs and stages stay where they are, as
history, with the records of their orders; the samples of the equity move, so that its curve goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusRefused, LeaseLost
from shared.bus.flow.streams import NOTHING_DELIVERED, Group, entry_order, flatten
from shared.bus.ownership.lease import Lease
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.bus.users.routes import route_fields
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS
from shared.contracts.trade_totals import CONTENTS
from shared.domain.funds import Funds
from shared.domain.order import TERMINAL

_SWITCH: Final = ("mode", "reason", "by", "at")
_NEEDED: Final = 3.0
"""Seconds of lease that must be left when a step begins."""


class UserRenaming:
    """One user's move from `old` to `new`; the leases are of these names."""

    def __init__(self, bus: Bus, old: Lease, new: Lease, venues: tuple[str, ...]) -> None:
        self._bus = bus
        self._old = old
        self._new = new
        self._venues = venues

    async def unfinished(self) -> str:
        """Return what is unfinished under the old name; an empty string if nothing. Raises BusUnavailable."""
        user = self._old.holder
        for venue in self._venues:
            if names := await self._bus.do("HKEYS", keys.own_exits(user, venue)):
                return f"an own exit of {names[0]} at {venue} is under way"
            if names := await self._bus.do("HKEYS", keys.mirrored(user, venue)):
                return f"the master's order {names[0]} is mirrored at {venue}"
        prefix = keys.order(user, "")
        for name in sorted(set(await self._bus.scan(keys.order(user, "*")))):
            if (state := await self._bus.do("HGET", name, "state")) not in TERMINAL:
                return f"order {name.removeprefix(prefix)} is {state}"
        return await self._undone(user)

    async def occupied(self) -> str:
        """Return what already exists under the new name; an empty string if nothing."""
        user = self._new.holder
        for venue in self._venues:
            books = pairs(await self._bus.do("HGETALL", keys.books(user, venue)))
            if books.get("taken_from") == self._old.holder:
                continue  # our own copies, of a run that did not commit
            if books and not books.get("renamed_to"):
                return f"{user} has books at {venue}"
            if await self._bus.do("EXISTS", keys.positions(user, venue), keys.own_exits(user, venue)):
                return f"{user} holds something at {venue}"
        return await self._undone(user)

    async def committed(self) -> bool:
        """Return whether an earlier run has already committed."""
        answers = await self._bus.do_all(
            [("HGET", keys.books(self._old.holder, venue), "renamed_to") for venue in self._venues]
        )
        return all(answer == self._new.holder for answer in answers)

    async def copy(self, until: str) -> dict[str, int]:
        """Copy to the new name; return the number of positions by venue. Copies of an interrupted run are replaced."""
        old, new = self._old.holder, self._new.holder
        self._require()
        await self._copy_nonces()
        switch = pairs(await self._bus.do("HGETALL", keys.control(old)))
        kept = {name: value for name, value in switch.items() if name in _SWITCH}
        await self._replace(keys.control(new), kept)
        followed = pairs(await self._bus.do("HGETALL", keys.following(old)))
        if followed and not followed.get("until"):
            await self._replace(keys.following(new), {"from": until, **route_fields(followed)})
        await self._replace(keys.stage(new), pairs(await self._bus.do("HGETALL", keys.stage(old))))
        held = {}
        for venue in self._venues:
            books = pairs(await self._bus.do("HGETALL", keys.books(old, venue)))
            marked = {**books, "taken_from": old, "formerly": old} if books else {}
            await self._replace(keys.books(new, venue), marked)  # first, so that what follows is not traded by
            for key in (keys.risk, keys.positions, keys.mirror_marks):
                await self._replace(key(new, venue), pairs(await self._bus.do("HGETALL", key(old, venue))))
            sums = pairs(await self._bus.do("HGETALL", keys.totals(old, venue)))
            await self._replace(keys.totals(new, venue), sums and {**sums, CONTENTS: f"the reports of {old} too"})
            for step in EQUITY_STEPS:
                await self._copy_text(keys.equity(old, venue, step), keys.equity(new, venue, step))
            held[venue] = int(await self._bus.do("HLEN", keys.positions(new, venue)))
        return held

    async def commit(self, until: str, funds: Funds, now: int) -> None:
        """Retire the old name, in one step: it has no books any more. Raises LeaseLost, BusUnavailable."""
        self._require()
        user = self._old.holder
        named = (
            keys.books, keys.positions, keys.risk, keys.own_exits, keys.differences, keys.account, keys.totals
        )  # fmt: skip
        answer = await self._bus.run(
            load("retire_user"),
            [keys.fence(user), keys.following(user), *(key(user, venue) for venue in self._venues for key in named)],
            [self._old.token, self._new.holder, now, until, funds],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {user} now")

    async def finish(self) -> None:
        """Permit trading under the new name."""
        for venue in self._venues:
            await self._bus.do("HDEL", keys.books(self._new.holder, venue), "taken_from")
        await self._bus.do("HDEL", keys.LAST_RELOADED_SETTINGS, self._old.holder)
        old = self._old.holder
        of_account = (keys.doctor, keys.reconciled, keys.rebuilt, keys.mirror_marks)
        left = [keys.last_settings(old), keys.stage(old), keys.control(old)]
        left += [key(old, venue) for venue in self._venues for key in of_account]
        left += [keys.equity(old, venue, step) for venue in self._venues for step in EQUITY_STEPS]
        left += sorted(set(await self._bus.scan(keys.nonce(old, "*"))))
        await self._bus.do("DEL", *left)  # all in the slot of the old name

    async def carried(self) -> str:
        """Return the id up to which every signal has reached all users; only valid while no engine runs."""
        group = Group(self._bus, keys.ENGINE)
        try:
            pending = await group.read_pending(keys.SIGNALS, count=1)
            if not pending:
                return await group.last_delivered(keys.SIGNALS)
        except BusRefused:  # no stream or no group yet
            return NOTHING_DELIVERED
        ms, sequence = entry_order(pending[0].id)
        return f"{ms}-{sequence - 1}" if sequence else f"{max(ms - 1, 0)}-{2**64 - 1 if ms else 0}"

    async def _undone(self, user: str) -> str:
        """Return what is unfinished in a user's stream; an empty string if nothing."""
        stream = keys.orders(user)
        groups, facts = await self._bus.do_all([("XINFO", "GROUPS", stream), ("XINFO", "STREAM", stream)])
        if isinstance(facts, Exception):
            return ""  # no stream yet
        last = str(pairs(facts).get("last-generated-id", NOTHING_DELIVERED))
        for row in groups if isinstance(groups, list) else ():
            group = pairs(row)
            if group.get("name") != keys.EXECUTOR:
                continue
            if int(group.get("pending", 0)) or str(group.get("last-delivered-id")) != last:
                return f"decisions in {stream} are not finished yet"
            return ""
        return f"decisions in {stream} are not finished yet" if int(pairs(facts).get("length", 0)) else ""

    async def _copy_nonces(self) -> None:
        """Raise the new name's counters to the old one's: the exchange refuses a lower nonce of the same key."""
        prefix = keys.nonce(self._old.holder, "")
        for name in set(await self._bus.scan(keys.nonce(self._old.holder, "*"))):
            target = keys.nonce(self._new.holder, name.removeprefix(prefix))
            before, value = await self._bus.do_all([("GET", target), ("GET", name)])
            if str(value).isdigit() and int(value) > int(before or 0):
                await self._bus.do("SET", target, value)

    async def _copy_text(self, source: str, target: str) -> None:
        """Copy a text, or the absence of one."""
        text = await self._bus.do("GET", source)
        await self._bus.do("DEL", target)
        if text is not None:
            await self._bus.do("SET", target, text)

    async def _replace(self, key: str, fields: Mapping[str, str]) -> None:
        """Replace a hash. Between the two commands it is empty, so that nothing can be traded by it."""
        await self._bus.do("DEL", key)
        if fields:
            await self._bus.do("HSET", key, *flatten(fields))

    def _require(self) -> None:
        for lease in (self._old, self._new):
            lease.require(_NEEDED)
