"""The copied positions in the scope of a switch, and what they are worth at market."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.errors import BusRefused
from shared.bus.state.records import Records, read_holdings
from shared.bus.users.user_index import scan_users
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.domain.portfolio import Portfolio
from shared.domain.position import EVERY_POSITION, Position
from shared.domain.values.money import ZERO, Price
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.operations.switches import Scope

PositionKey = tuple[str, str, Symbol]
"""User, venue and symbol of a position."""


@dataclass(frozen=True, slots=True)
class HeldPositions:
    """The positions in a scope; `unreadable` holds the error of each unreadable record by user, venue and field."""

    positions: Mapping[PositionKey, Position] = field(default_factory=dict)
    unreadable: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    users: Sequence[str] = ()
    """The users that were read."""

    def is_unreadable(self, place: PositionKey) -> bool:
        """Return whether the record of a position is unreadable."""
        user, venue, symbol = place
        return any((user, venue, name) in self.unreadable for name in (str(symbol), EVERY_POSITION))


async def read_held(
    bus: Bus, scope: Scope, policies: Mapping[str, UserPolicy], names: Iterable[str] | None = None
) -> HeldPositions:
    """Read the copied positions in a scope, and collect unreadable records. Raises BusUnavailable.

    `names` are all users; without it they are found by a scan of the keyspace.
    """
    found: dict[PositionKey, Position] = {}
    unreadable: dict[tuple[str, str, str], str] = {}
    everyone = [] if scope.user else await scan_users(bus) if names is None else names
    users = [scope.user] if scope.user else sorted({*policies, *everyone})
    places = [(user, venue) for user in users for venue in VENUES]
    answers = await bus.do_all([("HGETALL", keys.positions(user, venue)) for user, venue in places])
    for (user, venue), holdings in zip(places, map(read_holdings, answers), strict=True):
        for symbol, position in holdings.positions.items():
            if position.size.amount > 0 and scope.covers(user, symbol, policies.get(user)):
                found[user, venue, symbol] = position
        for name, why in holdings.unreadable.items():
            if scope.symbol is None or holdings.may_hold(scope.symbol.base):
                unreadable[user, venue, name] = why
    return HeldPositions(found, unreadable, users)


@dataclass(frozen=True, slots=True)
class MarketValue:
    """The value of positions by quote currency; `at_cost` counts those without a price, which are valued at their cost."""

    by_currency: Mapping[str, Decimal]
    at_cost: int

    def __str__(self) -> str:
        return " and ".join(f"{amount:,.2f} {name}" for name, amount in sorted(self.by_currency.items())) or "nothing"


async def read_market(bus: Bus, positions: Mapping[PositionKey, Position]) -> dict[tuple[str, Symbol], Price]:
    """Read the last published prices of positions, by venue and symbol, as far as there are any. Raises BusUnavailable."""
    wanted: dict[str, set[Symbol]] = {}
    for _, venue, symbol in positions:
        wanted.setdefault(venue, set()).add(symbol)
    prices: dict[tuple[str, Symbol], Price] = {}
    for venue, symbols in wanted.items():
        with suppress(BusRefused):  # a value is shown with a stop, and must not prevent it
            for symbol, (price, _) in (await Records(bus).prices_of(venue, sorted(symbols, key=str))).items():
                prices[venue, symbol] = price
    return prices


async def value_positions(bus: Bus, positions: Mapping[PositionKey, Position]) -> MarketValue:
    """Value positions at the last published prices of their venues. Raises BusUnavailable."""
    prices = await read_market(bus, positions)
    total: dict[str, Decimal] = {}
    at_cost = 0
    for (_, venue, symbol), position in positions.items():
        known = prices.get((venue, symbol))
        at_cost += known is None
        value = Portfolio({symbol: position}, {symbol: known} if known else {}).value(position)
        total[value.currency] = total.get(value.currency, ZERO) + value.amount
    return MarketValue(total, at_cost)


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 position`, `3 positions`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def name_some(names: Iterable[str], most: int = 5) -> str:
    """Return names in alphabetical order, and how many more there are."""
    known = sorted(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
