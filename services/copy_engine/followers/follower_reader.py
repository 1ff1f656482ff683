"""Reads what is needed to decide about one signal: in one round trip, and only what the users' settings need.

A record that cannot be read skips the entries of that user only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from services.copy_engine.followers.follower_cache import FollowerCache
from shared.bus.client.wire import Command, hgetall
from shared.bus.connection import Bus
from shared.bus.state.records import pairs, read_account, read_holdings, read_switch, switch_of
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.market_records import read_price
from shared.contracts.position_record import read_position
from shared.domain.control import Control
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk import MAX_BALANCE_AGE_MS
from shared.domain.order import Kind
from shared.domain.portfolio import RESIDUE, Portfolio
from shared.domain.position import Position
from shared.domain.signal import Signal
from shared.domain.values.money import ZERO, Money, Price
from shared.domain.values.symbol import Symbol

_EMPTY: Final = Portfolio()
_LEAST_WORTH, _ANY_WORTH = Decimal("1E-20"), Decimal("1E20")


class FollowerReader:
    """Reads followers; caches what it parsed last for each."""

    def __init__(self, bus: Bus, clock: Callable[[], int]) -> None:
        self._bus = bus
        self._clock = clock
        self._caches: dict[tuple[str, str], dict[str, FollowerCache]] = {}
        """By venue and master's book, and by user."""

    async def followers(self, signal: Signal, users: Sequence[UserPolicy]) -> list[Follower]:
        """Read what is needed to decide about a signal for these users. Raises BusUnavailable."""
        held = await self._held_by_account(signal, users)
        if signal.kind is Kind.EXIT:
            return await self._for_exit(signal, users, held)
        return await self._for_entry(signal, users, held)

    def _cache_of(self, policy: UserPolicy, venue: str, master: str) -> FollowerCache:
        caches = self._caches.setdefault((venue, master), {})
        each = caches.get(policy.user)
        if each is None or each.policy is not policy:
            each = caches[policy.user] = FollowerCache(policy, venue, master)
        return each

    async def _held_by_account(
        self, signal: Signal, users: Sequence[UserPolicy]
    ) -> Mapping[str, Mapping[str, Decimal]]:
        """Return what each user holds of the signal's coin from its master: the worth by venue.

        Empty for the many users whose copies of a master are all in one account.
        """
        former = {policy.user: venues for policy in users if (venues := policy.former_venues(signal.leader))}
        if not former:
            return {}
        asked = [
            (policy.user, venue)
            for policy in users
            if policy.user in former
            for venue in dict.fromkeys([_entry_venue(policy, signal), *former[policy.user]])
            if venue is not None
        ]
        priced = sorted({venue for _, venue in asked})
        commands: list[Command] = [hgetall(keys.prices(venue)) for venue in priced]
        commands += [hgetall(keys.positions(user, venue)) for user, venue in asked]
        answers = iter(await self._bus.do_all(commands))
        prices = {venue: pairs(next(answers)) for venue in priced}
        found: dict[str, dict[str, Decimal]] = {user: {} for user in former}
        for user, venue in asked:
            found[user][venue] = _worth(next(answers), signal, prices[venue])
        return found

    async def _for_exit(
        self, signal: Signal, users: Sequence[UserPolicy], held: Mapping[str, Mapping[str, Decimal]]
    ) -> list[Follower]:
        """Read what an exit needs: the account, and the name under which its symbol is held there.

        The equity is only written beside the decision.
        """
        venues = [_exit_venue(policy, signal, held.get(policy.user, {})) for policy in users]
        book = signal.book
        caches = [
            self._cache_of(policy, venue or signal.venue, book) for policy, venue in zip(users, venues, strict=True)
        ]
        answers = iter(await self._bus.do_all([command for cache in caches for command in cache.for_exit]))
        return [
            Follower(cache.policy, None, (), venue=venue, held=cache.held(names), recorded_equity=cache.equity(equity))
            for cache, venue, equity, names in zip(caches, venues, answers, answers, strict=True)
        ]

    async def _for_entry(
        self, signal: Signal, policies: Sequence[UserPolicy], held: Mapping[str, Mapping[str, Decimal]]
    ) -> list[Follower]:
        leader, book = signal.leader, signal.book
        users = [self._cache_of(policy, policy.venue_for(leader) or signal.venue, book) for policy in policies]
        traded = {signal.symbol: None}
        traded |= {user.policy.symbols.mapped(signal.symbol): None for user in users if user.policy.symbols.map}
        commands: list[Command] = [switch_of(keys.CONTROL)]
        commands += [switch_of(keys.control_of_symbol(symbol)) for symbol in traded]
        if needs_cash := any(user.needs_cash for user in users):
            commands.append(("HGETALL", keys.account(signal.owner, signal.venue)))
        priced = sorted({user.venue for user in users if user.needs_prices})
        commands += [("HGETALL", keys.prices(venue)) for venue in priced]
        for user in users:
            commands += user.for_entry
        answers = iter(await self._bus.do_all(commands))
        for_all = read_switch(next(answers))
        of_symbol = {symbol: read_switch(next(answers)) for symbol in traded}
        stopped = of_symbol[signal.symbol]
        cash = self._cash_before(signal, next(answers)) if needs_cash else None
        prices = {venue: pairs(next(answers)) for venue in priced}
        found = []
        for user in users:
            account = user.account(next(answers))
            switches: tuple[Control, ...] = (for_all, read_switch(next(answers)), stopped)
            if user.policy.symbols.map:
                switches += (of_symbol[user.policy.symbols.mapped(signal.symbol)],)
            positions = next(answers) if user.needs_positions else None
            risk = next(answers) if user.needs_risk else None
            stage = next(answers) if user.needs_stage else None
            venue = user.policy.venue_for(signal.leader)
            moved = _still_held_at(held.get(user.policy.user, {}), venue) if held else ""
            try:
                portfolio = _portfolio(positions, prices.get(user.venue, {})) if positions else _EMPTY
                found.append(
                    Follower(
                        user.policy,
                        account,
                        switches,
                        portfolio,
                        user.risk(risk),
                        cash,
                        venue=venue,
                        moved_from=moved,
                        stage=user.stage(stage),
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
        account = read_account(signal.owner, signal.venue, pairs(answer))
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


def _entry_venue(policy: UserPolicy, signal: Signal) -> str | None:
    """Return the venue to which entries of the signal's master go now; None if nowhere."""
    return None if policy.waits(signal.leader) else policy.venue_for(signal.leader)


def _exit_venue(policy: UserPolicy, signal: Signal, held: Mapping[str, Decimal]) -> str | None:
    """Return the venue of the account that an exit sells from: the one that holds most of the coin.

    If none holds any, it is the account to which the master's entries go: the executor there says so. None if no account is the
    master's.
    """
    venue = max(held, key=lambda each: held[each], default=None)
    if venue is not None and held[venue]:
        return venue
    return _entry_venue(policy, signal) or venue


def _still_held_at(held: Mapping[str, Decimal], venue: str | None) -> str:
    """Return another venue at which more than dust of the coin is held; an empty text if there is none."""
    return next((other for other, worth in held.items() if other != venue and worth >= RESIDUE), "")


def _worth(answer: Any, signal: Signal, prices: Mapping[str, str]) -> Decimal:
    """Return the worth of what is held of a signal's coin for its master, zero if nothing is.

    A record that cannot be read may be worth anything.
    """
    holdings, base = read_holdings(answer), signal.symbol.base
    if holdings.may_hold(base):
        return _ANY_WORTH
    total = ZERO
    for symbol, position in holdings.positions.items():
        book = position.book(signal.book)
        if symbol.base == base and book.size.amount > 0:
            worth = book.cost.amount
            with suppress(MalformedMessageError):
                if written := prices.get(str(symbol)):
                    worth = (book.size * read_price(symbol, written)[0]).amount
            total += max(worth, _LEAST_WORTH)
    return total
