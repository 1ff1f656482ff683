"""A desk of actions over the test's Redis, and what users hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records
from shared.config.users.loader import load_users
from shared.contracts import keys
from shared.domain.limits.policy import StopOutAction, UserPolicy
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.operations.actions.port import Ground
from shared.operations.desk import ActionDesk
from tests.support.copies import now_ms
from tests.support.risk_states import write_risk

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


async def leave_unknown(bus: Bus, order: str, **fields: str) -> None:
    """Write the record of an order whose outcome is not known: a purchase of 0.5 BTC of alice, unless `fields` differ."""
    record = {
        "user": "alice",
        "venue": "kraken",
        "state": "unknown",
        "symbol": "BTC/USD",
        "side": "buy",
        "attempts": "1",
        "base_size": "0.5",
        "limit_price": "60300",
        **fields,
    }
    await bus.do("HSET", keys.order(record["user"], order), *flatten(record))


async def stop_out(bus: Bus, user: str, venue: str = "kraken") -> int:
    """Stop a user out for an hour on one account; return until when (epoch ms)."""
    until = now_ms() + 3_600_000
    state = replace(
        RiskState.fresh("USD", now_ms()),
        stopped_until=until,
        stopped_by=(StopOut.DAILY_LOSS,),
        stopped_action=StopOutAction.BLOCK_ENTRIES,
        stopped_reason="6 % lost",
    )
    await write_risk(bus, user, venue, state)
    return until
