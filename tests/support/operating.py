"""A desk of actions over the test's Redis, and what users hold."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from shared.bus.connection import Bus
from shared.bus.records import Records
from shared.config.users.loader import load_users
from shared.domain.limits.policy import UserPolicy
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.operations.actions.port import Ground
from shared.operations.desk import ActionDesk
from tests.support.copies import now_ms

OPERATOR = "olga"


class Clock:
    """A clock (epoch ms) that a test moves ahead of the real one."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


def desk_of(bus: Bus, config: Path, clock: Clock | None = None) -> ActionDesk:
    """Return a desk over the users of a configuration folder."""

    async def users() -> Mapping[str, UserPolicy | None]:
        return dict(load_users(config))

    return ActionDesk(Ground(bus, config, users, clock or Clock()))


async def hold(bus: Bus, user: str, symbol: str, size: str, cost: str, venue: str = "kraken") -> None:
    """Record what a user holds from copying."""
    named = Symbol.parse(symbol)
    position = Position(named, Quantity(Decimal(size), named.base), Money(Decimal(cost), named.quote), 1, 1)
    await Records(bus).write_position(user, venue, position)


async def quote(bus: Bus, symbol: str, price: str, venue: str = "kraken") -> None:
    """Publish a price."""
    await Records(bus).write_prices(venue, [Price(Decimal(price), Symbol.parse(symbol))], now_ms())
