"""Reads what is needed to decide about one signal: in one round trip, and only what the users' settings need.

A record that cannot be read skips the entries of that user only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from services.copy_engine.followers.follower import Follower
from services.copy_engine.followers.follower_cache import FollowerCache
from shared.bus.client.wire import Command
from shared.bus.connection import Bus
from shared.bus.records import pairs, read_account, read_control
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.market_records import read_price
from shared.contracts.position_record import read_position
from shared.domain.account import MASTER
from shared.domain.control import Control
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk import MAX_BALANCE_AGE_MS
from shared.domain.order import Kind
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.signal import Signal
from shared.domain.values.money import Money, Price
from shared.domain.values.symbol import Symbol

_EMPTY: Final = Portfolio()


class FollowerReader:
    """Reads followers; caches what it parsed last for each."""

    def __init__(self, bus: Bus, clock: Callable[[], int]) -> None:
        self._bus = bus
        self._clock = clock
        self._caches: dict[str, dict[str, FollowerCache]] = {}
        """By venue and user."""

    async def followers(self, signal: Signal, users: Sequence[UserPolicy]) -> list[Follower]:
        """Read what is needed to decide about a signal for these users. Raises BusUnavailable."""
        idle = await self._held_on_idle_venues(signal, users)
        caches = self._caches_of(users, signal)
        if signal.kind is Kind.EXIT:
            return await self._for_exit(signal, caches, idle)
        return await self._for_entry(signal, caches, idle)

    def _caches_of(self, users: Sequence[UserPolicy], signal: Signal) -> list[FollowerCache]:
        return [self._cache_of(policy, policy.venue_for(signal.leader) or signal.venue) for policy in users]

    def _cache_of(self, policy: UserPolicy, venue: str) -> FollowerCache:
        caches = self._caches.setdefault(venue, {})
        each = caches.get(policy.user)
        if each is None or each.policy is not policy:
            each = caches[policy.user] = FollowerCache(policy, venue)
        return each

    async def _held_on_idle_venues(self, signal: Signal, users: Sequence[UserPolicy]) -> Mapping[str, FollowerCache]:
        """Return the users who hold the signal's coin where no master is copied any more, with the cache of that venue."""
        asked = [self._cache_of(policy, venue) for policy in users for venue in policy.idle_venues]
        if not asked:
            return {}
        answers = await self._bus.do_all([each.for_exit[1] for each in asked])
        held = zip(asked, answers, strict=True)
        base = signal.symbol.base
        return {
            each.policy.user: each for each, names in held if any(symbol.base == base for symbol in each.held(names))
        }

    async def _for_exit(
        self, signal: Signal, users: Sequence[FollowerCache], idle: Mapping[str, FollowerCache]
    ) -> list[Follower]:
        """Read what an exit needs: the name under which its symbol is held. The equity is only written beside the decision.

        What is held where no master is copied any more is sold there, once nothing is held where it would be copied now.
        """
        found = await self._exits(signal, users)
        moved = [
            number
            for number, follower in enumerate(found)
            if follower.policy.user in idle and not any(each.base == signal.symbol.base for each in follower.held)
        ]
        there = await self._exits(signal, [idle[found[number].policy.user] for number in moved])
        for number, follower in zip(moved, there, strict=True):
            found[number] = replace(follower, venue=idle[follower.policy.user].venue)
        return found

    async def _exits(self, signal: Signal, users: Sequence[FollowerCache]) -> list[Follower]:
        if not users:
            return []
        answers = iter(await self._bus.do_all([command for user in users for command in user.for_exit]))
        return [
            Follower(
                user.policy,
                None,
                (),
                venue=user.policy.venue_for(signal.leader),
                held=user.held(names),
                recorded_equity=user.equity(equity),
            )
            for user, equity, names in zip(users, answers, answers, strict=True)
        ]

    async def _for_entry(
        self, signal: Signal, users: Sequence[FollowerCache], idle: Mapping[str, FollowerCache]
    ) -> list[Follower]:
        traded = {signal.symbol: None}
        traded |= {user.policy.symbols.mapped(signal.symbol): None for user in users if user.policy.symbols.map}
        commands: list[Command] = [("HGETALL", keys.CONTROL)]
        commands += [("HGETALL", keys.control_of_symbol(symbol)) for symbol in traded]
        if needs_cash := any(user.needs_cash for user in users):
            commands.append(("HGETALL", keys.account(MASTER, signal.venue)))
        priced = sorted({user.venue for user in users if user.needs_prices})
        commands += [("HGETALL", keys.prices(venue)) for venue in priced]
        for user in users:
            commands += user.for_entry
        answers = iter(await self._bus.do_all(commands))
        for_all = read_control(next(answers))
        of_symbol = {symbol: read_control(next(answers)) for symbol in traded}
        stopped = of_symbol[signal.symbol]
        cash = self._cash_before(signal, next(answers)) if needs_cash else None
        prices = {venue: pairs(next(answers)) for venue in priced}
        found = []
        for user in users:
            account = user.account(next(answers))
            switches: tuple[Control, ...] = (for_all, read_control(next(answers)), stopped)
            if user.policy.symbols.map:
                switches += (of_symbol[user.policy.symbols.mapped(signal.symbol)],)
            positions = next(answers) if user.needs_positions else None
            risk = next(answers) if user.needs_risk else None
            venue = user.policy.venue_for(signal.leader)
            moved = idle[user.policy.user].venue if idle and user.policy.user in idle else ""
            try:
                portfolio = _portfolio(positions, prices.get(user.venue, {})) if positions else _EMPTY
                found.append(
                    Follower(
                        user.policy, account, switches, portfolio, user.risk(risk), cash, venue=venue, moved_from=moved
                    )
                )
            except MalformedMessageError as error:
                unreadable = f"limits cannot be judged: {error}"
                found.append(
                    Follower(user.policy, account, switches, unreadable=unreadable, venue=venue, moved_from=moved)
                )
        return found

    def _cash_before(self, signal: Signal, answer: Any) -> Money | None:
        """Return the master's cash before the entry; None if it is not known or too old.

        A balance that was read after the fill no longer contains what the entry cost.
        """
        account = read_account(MASTER, signal.venue, pairs(answer))
        if account is None or account.cash is None or self._clock() - account.as_of > MAX_BALANCE_AGE_MS:
            return None
        if account.as_of < signal.filled_at or account.cash.currency != signal.quote_size.currency:
            return account.cash
        return account.cash + signal.quote_size


def _portfolio(answer: Any, prices: Mapping[str, str]) -> Portfolio:
    """Return the portfolio from raw records of positions and prices. Raises MalformedMessageError."""
    if isinstance(answer, Exception):
        raise MalformedMessageError(f"PositionRecord: {answer}")
    held: dict[Symbol, Position] = {}
    worth: dict[Symbol, Price] = {}
    for name, written in pairs(answer).items():
        position = read_position(written)
        held[position.symbol] = position
        if price := prices.get(name):
            with suppress(MalformedMessageError):  # without a readable price the position is valued at its cost
                worth[position.symbol] = read_price(position.symbol, price)[0]
    return Portfolio(held, worth)
