"""Carries changes of `[follow]` into effect: between two signals, and only when they can lose no exit.

A change waits until every earlier decision of the user has ended, because an entry under way could otherwise buy in one account
while the next one already goes to another, and one exit signal would have to reach both. An account goes over to another master
once nothing of value that was copied from the former one is held there. Until then the entries wait, visibly, and exits go on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusRefused
from shared.bus.records import Records, pairs
from shared.bus.streams import NOTHING_DELIVERED
from shared.bus.users.routes import changes_of, effective, read_routes
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.domain.portfolio import Portfolio
from shared.domain.routes import Routes, advance, due, routed

log = structlog.get_logger()


class AccountRoutes:
    """The routes of the users of one turn."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._records = Records(bus)
        self._routes: dict[str, Routes] = {}

    async def load(self, users: Sequence[UserPolicy]) -> None:
        """Read what is recorded of the users. Call it before they are recorded as following: a new user has what the file says.

        Raises BusUnavailable.
        """
        answers = await self._bus.do_all([("HGETALL", keys.following(policy.user)) for policy in users])
        self._routes = {}
        new = []
        for policy, answer in zip(users, answers, strict=True):
            fields = pairs(answer)
            self._routes[policy.user] = found = effective(policy, fields)
            new += changes_of(policy.user, read_routes(fields), found)
        await self._bus.do_all(new)

    def applied(self, users: Sequence[UserPolicy]) -> list[UserPolicy]:
        """Return the users with what is in effect for each."""
        return [routed(policy, self._routes.get(policy.user, Routes())) for policy in users]

    async def advance(self, users: Sequence[UserPolicy], owed: Collection[str]) -> bool:
        """Carry out what is possible now; return whether anything has changed. Call it only between two signals.

        `owed` are the order streams with decisions that are not written yet. Raises BusUnavailable.
        """
        changed = False
        for policy in users:
            now = self._routes.get(policy.user, Routes())
            if policy.fault or not due(now, policy) or keys.orders(policy.user) in owed:
                continue
            if not await self._is_idle(policy.user):
                continue
            flat = {venue for venue in policy.venues if await self._is_flat(policy.user, venue)}
            after = advance(now, policy, flat.__contains__)
            if after != now:
                await self._bus.do_all(changes_of(policy.user, now, after))
                self._routes[policy.user] = after
                changed = True
                log.info("follow has taken effect", user=policy.user, copied=dict(after.copied))
        return changed

    async def _is_idle(self, user: str) -> bool:
        """Return whether every decision of a user has ended. A stream that cannot be read counts as unfinished."""
        stream = keys.orders(user)
        if not await self._bus.do("EXISTS", stream):
            return True
        groups, facts = await self._bus.do_all([("XINFO", "GROUPS", stream), ("XINFO", "STREAM", stream)])
        if isinstance(groups, Exception) or isinstance(facts, Exception):
            return False
        last = str(pairs(facts).get("last-generated-id", NOTHING_DELIVERED))
        for row in groups:
            group = pairs(row)
            if group.get("name") == keys.EXECUTOR:
                return not int(group.get("pending", 0)) and str(group.get("last-delivered-id")) == last
        return not int(pairs(facts).get("length", 0))

    async def _is_flat(self, user: str, venue: str) -> bool:
        """Return whether nothing but dust is held from copying at a venue; a record that cannot be read counts as held."""
        holdings = await self._records.holdings(user, venue)
        if holdings.unreadable:
            return False
        try:
            prices = await self._records.prices_of(venue, list(holdings.positions))
        except BusRefused:  # the key of the prices has another type: valued at cost
            prices = {}
        return not Portfolio(holdings.positions, {symbol: price for symbol, (price, _) in prices.items()}).assets()
