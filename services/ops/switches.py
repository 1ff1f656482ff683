"""The kill switch in Redis: its scopes, what is set, and the log of every change.

A switch applies to all users, one user or one symbol. It is set before the change is logged: a stop must never wait for the
log, nor fail because something cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.ops.users import select_users
from shared.bus.connection import Bus
from shared.bus.errors import BusRefused
from shared.bus.records import Records, pairs
from shared.bus.streams import Entry, flatten, read_entries
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.contracts import keys
from shared.domain.control import Control, ControlMode
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.ledger.reading import user_of

_WRONG_TYPE: Final = "WRONGTYPE"
_SYMBOLS: Final = keys.control_of_symbol("")
_KEPT: Final = 100_000
"""Changes kept in the log; older ones are trimmed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a switch applies to: a user, a symbol, or all users if both are empty."""

    user: str = ""
    symbol: Symbol | None = None

    @property
    def key(self) -> str:
        """Return the Redis key of its switch."""
        if self.symbol is not None:
            return keys.control_of_symbol(self.symbol)
        return keys.control(self.user) if self.user else keys.CONTROL

    def covers(self, user: str, symbol: Symbol, policy: UserPolicy | None) -> bool:
        """Return whether a position is in the scope; a symbol includes the symbol that the user maps it to."""
        if self.symbol is not None:
            return symbol in {self.symbol, policy.symbols.mapped(self.symbol) if policy else self.symbol}
        return not self.user or user == self.user

    def __str__(self) -> str:
        return str(self.symbol) if self.symbol else self.user or "everybody"


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
    if not any([await _trades(bus, venue, named) for venue in VENUES]):
        raise ConfigurationError(f"--symbol {symbol}: no venue trades it")
    return Scope(symbol=named)


async def _trades(bus: Bus, venue: str, symbol: Symbol) -> bool:
    """Return whether a venue trades a symbol; True if its instruments cannot be read."""
    try:
        return symbol in await Records(bus).instruments(venue)
    except BusRefused:
        return True


async def set_switch(bus: Bus, scope: Scope, mode: ControlMode, reason: str, by: str, at: int) -> Control:
    """Set a switch, log the change, and return the previous switch; `at` in epoch ms. Raises BusUnavailable.

    A key of the wrong type (a `SET` by hand instead of `HSET`) is replaced.
    """
    said = {"mode": mode, "reason": reason, "by": by, "at": str(at)}
    found, written = await bus.do_all([("HGETALL", scope.key), ("HSET", scope.key, *flatten(said))])
    before = Control.read(pairs(found))
    if isinstance(written, Exception):
        if not str(written).startswith(_WRONG_TYPE):
            raise BusRefused(str(written))
        await bus.do_all([("DEL", scope.key), ("HSET", scope.key, *flatten(said))])
    entry = {"v": "1", "of": str(scope), "before": before.mode, **said}
    await bus.do("XADD", keys.CONTROL_LOG, "MAXLEN", "~", _KEPT, "*", *flatten(entry))
    return before


async def read_switches(bus: Bus) -> list[tuple[Scope, Control]]:
    """Read every switch that was ever set: first that of all users, which is always present, then users', then symbols'."""
    users = sorted(set(await bus.scan(keys.control("*"))))
    symbols = sorted(set(await bus.scan(f"{_SYMBOLS}*")))
    scopes = [Scope(), *(Scope(user_of(name)) for name in users), *_of_symbols(symbols)]
    answers = await bus.do_all([("HGETALL", scope.key) for scope in scopes])
    found: list[tuple[Scope, Mapping[str, str]]] = list(zip(scopes, map(pairs, answers), strict=True))
    return [(scope, Control.read(fields)) for scope, fields in found if "mode" in fields or scope == Scope()]


async def read_changes(bus: Bus, count: int) -> list[Entry]:
    """Read the newest changes, newest first."""
    return read_entries(keys.CONTROL_LOG, await bus.do("XREVRANGE", keys.CONTROL_LOG, "+", "-", "COUNT", count))


def _of_symbols(names: Iterable[str]) -> list[Scope]:
    found = []
    for name in names:
        try:
            found.append(Scope(symbol=Symbol.parse(name.removeprefix(_SYMBOLS))))
        except ValueError:
            continue  # not a symbol: no service reads this key
    return found
