"""The scope of a kill switch as the options name it."""

from __future__ import annotations

from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.domain.values.symbol import Symbol
from shared.operations.switches import Scope, is_traded


async def scope_of(settings: Settings, bus: Bus, user: str, symbol: str) -> Scope:
    """Parse the scope from the options; a misspelt name must not look like a stop. Raises ConfigurationError."""
    if user and symbol:
        raise ConfigurationError("--user and --symbol: a switch applies to one user or one symbol, not both")
    if user:
        await select_users(settings, bus, user)
    if not symbol:
        return Scope(user)
    try:
        named = Symbol.parse(symbol)
    except ValueError as error:
        raise ConfigurationError(f"--symbol: {error}") from None
    if not await is_traded(bus, named):
        raise ConfigurationError(f"--symbol {symbol}: no venue trades it")
    return Scope(symbol=named)
