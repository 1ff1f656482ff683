"""Carries changes of `[follow]` into effect: between two signals, and only when they can lose no exit.

A change waits until every earlier decision of the user has ended, because an entry under way could otherwise buy in one account
while the next one already goes to another, and one exit signal would have to reach both. An account goes over to another master
once nothing of value that was copied from the former one is held there. Until then the entries wait, visibly, and exits go on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from shared.bus.client.wire import Command, hgetall
from shared.bus.connection import Bus
from shared.bus.state.records import pairs, read_holdings
from shared.bus.users.routes import changes_of, effective, read_routes
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.market_records import read_price
from shared.domain.limits.policy import UserPolicy
from shared.domain.portfolio import Portfolio
from shared.domain.position import MAIN
from shared.domain.routes import Routes, advance, due, routed
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol

log = structlog.get_logger()


class AccountRoutes:
    """The routes of the users of one turn."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
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
        return [routed(policy, self._routes_of(policy)) for policy in users]

    async def advance(self, users: Sequence[UserPolicy], owed: Collection[str]) -> bool:
        """Carry out what is possible now; return whether anything has changed. Call it only between two signals.

        `owed` are the order streams with decisions that are not written yet. Raises BusUnavailable.
        """
        wait = [policy for policy in users if not policy.fault and due(self._routes_of(policy), policy)]
        idle = await self._idle([policy for policy in wait if keys.orders(policy.user) not in owed])
        if not idle:
            return False
        flat = await self._flat(idle)
        changed = False
        for policy in idle:
            now = self._routes_of(policy)
            after = advance(now, policy, lambda venue, user=policy.user: (user, venue) in flat)  # type: ignore[misc]
            if after != now:
                await self._bus.do_all(changes_of(policy.user, now, after))
                self._routes[policy.user] = after
                changed = True
                log.info("follow has taken effect", user=policy.user, copied=dict(after.copied))
        return changed

    def _routes_of(self, policy: UserPolicy) -> Routes:
        return self._routes.get(policy.user, Routes())

    async def _idle(self, users: Sequence[UserPolicy]) -> list[UserPolicy]:
        """Return the users whose every decision has ended. A stream that cannot be read counts as unfinished."""
        streams = [keys.orders(policy.user) for policy in users]
        questions = (("TYPE",), ("XINFO", "GROUPS"), ("XINFO", "STREAM"))
        answers = iter(await self._bus.do_all([(*words, stream) for stream in streams for words in questions]))
        rows = zip(users, answers, answers, answers, strict=True)
        return [policy for policy, kind, groups, facts in rows if _has_ended(kind, groups, facts)]

    async def _flat(self, users: Sequence[UserPolicy]) -> set[tuple[str, str]]:
        """Return the accounts, by user and venue, whose main book holds nothing but dust.

        A record that cannot be read counts as held; what has no price is worth its cost.
        """
        places = [(policy.user, venue) for policy in users for venue in policy.venues]
        venues = sorted({venue for _, venue in places})
        commands: list[Command] = [hgetall(keys.prices(venue)) for venue in venues]
        commands += [hgetall(keys.positions(user, venue)) for user, venue in places]
        answers = iter(await self._bus.do_all(commands))
        prices = {venue: pairs(next(answers)) for venue in venues}
        return {place for place, answer in zip(places, answers, strict=True) if _is_flat(answer, prices[place[1]])}


def _has_ended(kind: Any, groups: Any, facts: Any) -> bool:
    """Return whether a stream has no unfinished decision, by the answers to TYPE, XINFO GROUPS and XINFO STREAM."""
    if kind == "none":
        return True
    if not isinstance(groups, list) or isinstance(facts, Exception):
        return False
    stream = pairs(facts)
    for row in groups:
        group = pairs(row)
        if group.get("name") == keys.EXECUTOR:
            ended = not int(group.get("pending", 0))
            return ended and group.get("last-delivered-id") == stream.get("last-generated-id")
    return not int(stream.get("length", 0))


def _is_flat(answer: Any, prices: Mapping[str, str]) -> bool:
    holdings = read_holdings(answer)
    worth: dict[Symbol, Price] = {}
    for symbol in holdings.positions:
        with suppress(MalformedMessageError):
            if written := prices.get(str(symbol)):
                worth[symbol] = read_price(symbol, written)[0]
    main = {symbol: position.book(MAIN) for symbol, position in holdings.positions.items()}
    return not holdings.unreadable and not Portfolio(main, worth).assets()
