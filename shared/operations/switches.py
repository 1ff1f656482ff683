"""The kill switch in Redis: its scopes, and setting it.

A switch applies to all users, one user or one symbol. It is set before the change is logged: a stop must never wait for the
log, nor fail because something cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusRefused
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records, existing, pairs
from shared.bus.state.switched_symbols import find_switched_symbols, note_switched_symbol
from shared.bus.users.user_index import user_of
from shared.contracts import keys
from shared.domain.control import Control, ControlMode
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.operations.control_log import EVERYBODY, Change, write_change

_WRONG_TYPE: Final = "WRONGTYPE"


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
        return str(self.symbol) if self.symbol else self.user or EVERYBODY


async def is_traded(bus: Bus, symbol: Symbol) -> bool:
    """Return whether any venue trades a symbol; True if instruments cannot be read: a stop must be possible then."""
    for venue in VENUES:
        try:
            if symbol in await Records(bus).instruments(venue):
                return True
        except BusRefused:
            return True
    return False


async def set_switch(bus: Bus, scope: Scope, mode: ControlMode, reason: str, by: str, at: int) -> Control:
    """Set a switch, log the change, and return the previous switch; `at` in epoch ms. Raises BusUnavailable."""
    return await change_switch(bus, scope, Change(str(scope), "", mode, reason, by, at, action=mode))


async def change_switch(bus: Bus, scope: Scope, change: Change) -> Control:
    """Set a switch to the mode of a change, log it, and return the previous switch. Raises BusUnavailable.

    A key of the wrong type (a `SET` by hand instead of `HSET`) is replaced.
    """
    said = {"mode": change.mode, "reason": change.reason, "by": change.by, "at": str(change.at)}
    found, written = await bus.do_all([("HGETALL", scope.key), ("HSET", scope.key, *flatten(said))])
    before = Control.read(pairs(found))
    if isinstance(written, Exception):
        if not str(written).startswith(_WRONG_TYPE):
            raise BusRefused(str(written))
        await bus.do_all([("DEL", scope.key), ("HSET", scope.key, *flatten(said))])
    if scope.symbol is not None:
        await note_switched_symbol(bus, scope.symbol, change.at)
    await write_change(bus, replace(change, before=before.mode))
    return before


async def read_switches(bus: Bus, users: Sequence[str]) -> list[tuple[Scope, Control]]:
    """Read every switch that was ever set: first that of all users, which is always present, then those of these users, then
    symbols'. Raises BusUnavailable.
    """
    switched = await existing(bus, [keys.control(user) for user in users])
    symbols = sorted(await find_switched_symbols(bus))
    scopes = [Scope(), *(Scope(user_of(name)) for name in switched), *_of_symbols(symbols)]
    answers = await bus.do_all([("HGETALL", scope.key) for scope in scopes])
    found: list[tuple[Scope, Mapping[str, str]]] = list(zip(scopes, map(pairs, answers), strict=True))
    return [(scope, Control.read(fields)) for scope, fields in found if "mode" in fields or scope == Scope()]


def _of_symbols(names: Iterable[str]) -> list[Scope]:
    found = []
    for name in names:
        try:
            found.append(Scope(symbol=Symbol.parse(name)))
        except ValueError:
            continue  # not a symbol: no service reads this key
    return found
