"""Pause, resume, halt and flatten: what setting a kill switch does to users and to what they hold.

The executors act on the switch by themselves. So what is foreseen here must follow the rules by which they decide: the strictest
switch wins (`shared/domain/control.py`), and a halt keeps every position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.bus.state.records import read_control
from shared.contracts import keys
from shared.domain.control import RUNNING, Control, ControlMode, flattening
from shared.domain.limits.policy import UserPolicy
from shared.domain.position import Position
from shared.domain.values.symbol import Symbol
from shared.operations.actions.port import Ground
from shared.operations.consequence import Consequence
from shared.operations.control_log import EVERYBODY, Change
from shared.operations.errors import ActionRefused, UnknownTarget
from shared.operations.holdings import HeldPositions, PositionKey, count, name_some, read_held, value_positions
from shared.operations.request import Action, ActionRequest
from shared.operations.switches import Scope, change_switch, is_traded

MODES: Final[Mapping[Action, ControlMode]] = {
    Action.PAUSE: ControlMode.PAUSE,
    Action.CLOSE_ONLY: ControlMode.PAUSE,
    Action.RESUME: ControlMode.RUN,
    Action.HALT: ControlMode.HALT,
    Action.FLATTEN: ControlMode.FLATTEN,
}
_STRICTNESS: Final = (ControlMode.RUN, ControlMode.PAUSE, ControlMode.CLOSE_ONLY, ControlMode.FLATTEN, ControlMode.HALT)
_WORDS: Final = {
    ControlMode.RUN: "running",
    ControlMode.PAUSE: "paused",
    ControlMode.CLOSE_ONLY: "paused",
    ControlMode.FLATTEN: "on flatten",
    ControlMode.HALT: "halted",
}
_LISTED: Final = 20
"""Positions up to which each one is part of what is confirmed; of more only number and value are."""


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches as they are, by scope."""

    known: Mapping[Scope, Control]

    def of(self, scope: Scope) -> Control:
        """Return the switch of a scope."""
        return self.known.get(scope, RUNNING)

    def stopping(self, scopes: Iterable[Scope]) -> list[str]:
        """Return those of these scopes whose switch stops anything."""
        return [str(scope) for scope in scopes if self.of(scope).mode is not ControlMode.RUN]


def scopes_of(place: PositionKey, policy: UserPolicy | None) -> list[Scope]:
    """Return the scope of every switch that a position is subject to."""
    user, _, symbol = place
    sources = [source for source, target in policy.symbols.map.items() if target == symbol] if policy else []
    return [Scope(), Scope(user), *(Scope(symbol=name) for name in (symbol, *sources))]


class Switching:
    """The actions that set a kill switch."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def foresee(self, request: ActionRequest) -> Consequence:
        """Return what the switch would do now. Raises ActionRefused for an unknown user or symbol, BusUnavailable."""
        scope, mode = await self.scope_of(request), MODES[request.action]
        policies = await self._ground.policies()
        everyone = [scope.user] if scope.user else sorted(name for name, each in policies.items() if each.followed)
        held = await read_held(self._ground.bus, scope, policies, await self._ground.users())
        over = {each for place in held.positions for each in scopes_of(place, policies.get(place[0]))}
        switches = await self._read({scope, Scope(), *map(Scope, everyone), *over})
        before = switches.of(scope)
        facts: dict[str, object] = {"before": before.mode, "unreadable": len(held.unreadable)}
        whom = scope.user or (
            count(len(everyone), "user")
            if scope.symbol is None
            else f"{scope.symbol} for {count(len(everyone), 'user')}"
        )
        notes = [*_repeated(scope, before, mode), *_other_switches(scope, switches, everyone)]
        figures = {"users": Decimal(len(everyone))}
        details: tuple[str, ...] = ()
        if mode is ControlMode.PAUSE:
            text = f"pauses {whom}: no entries; exits go on"
        elif mode is ControlMode.RUN:
            text = f"lets {whom} trade again: entries and exits go on"
        else:
            sold, kept = _divide(held, scope, mode, switches, policies)
            shown = sold if mode is ControlMode.FLATTEN else held.positions
            worth = await value_positions(self._ground.bus, shown)
            figures |= {
                "positions": Decimal(len(shown)),
                **{f"value {name}": each for name, each in worth.by_currency.items()},
            }
            facts["positions"] = (
                [[u, v, str(s)] for u, v, s in sorted(shown, key=str)] if len(shown) <= _LISTED else "many"
            )
            details = tuple(_line(*each) for each in sorted(shown.items(), key=str)[:_LISTED])
            text = (
                _selling(scope, len(sold), str(worth))
                if mode is ControlMode.FLATTEN
                else _halting(whom, len(shown), str(worth))
            )
            notes += [
                *kept,
                *await self._unserved(user for user, _, _ in shown),
                *_unvalued(worth.at_cost),
                *_unread(held),
            ]
        return Consequence(str(scope), text, details, tuple(notes), figures, facts)

    async def perform(self, request: ActionRequest, change: Change) -> str:
        """Set the switch."""
        await change_switch(self._ground.bus, await self.scope_of(request), change)
        return change.effect

    async def scope_of(self, request: ActionRequest) -> Scope:
        """Return what the switch applies to. Raises ActionRefused."""
        if request.user and request.symbol:
            raise ActionRefused("a switch applies to one user or to one symbol, not to both")
        if request.user:
            await self._ground.require(request.user)
        if not request.symbol:
            return Scope(request.user)
        try:
            symbol = Symbol.parse(request.symbol)
        except ValueError:
            raise ActionRefused("the symbol must be written like BTC/USD") from None
        if not await is_traded(self._ground.bus, symbol):
            raise UnknownTarget(f"no venue trades {symbol}")
        return Scope(symbol=symbol)

    async def loosens(self, request: ActionRequest, by: str) -> Control | None:
        """Return the present switch of the request's user if the request would make it less strict; None if it would not.

        The same mode counts too if another person has set it: their name and reason must not be replaced by the user's own.
        """
        present = (await self._read({Scope(request.user)})).of(Scope(request.user))
        wanted = MODES[request.action]
        others = present.mode is wanted and present.mode is not ControlMode.RUN and present.by != by
        return present if others or is_stricter(present.mode, wanted) else None

    async def _read(self, scopes: Iterable[Scope]) -> Switches:
        wanted = list(scopes)
        answers = await self._ground.bus.do_all([("HGETALL", scope.key) for scope in wanted])
        return Switches(dict(zip(wanted, map(read_control, answers), strict=True)))

    async def _unserved(self, users: Iterable[str]) -> list[str]:
        names = sorted(set(users))
        owners = await self._ground.bus.do_all([("GET", keys.lease(user)) for user in names])
        missing = [user for user, owner in zip(names, owners, strict=True) if not owner]
        return (
            [f"no executor serves {name_some(missing)} now: nothing is sent for them until one does"] if missing else []
        )


def is_stricter(present: ControlMode, wanted: ControlMode) -> bool:
    """Return whether a mode stops more than another."""
    return _STRICTNESS.index(present) > _STRICTNESS.index(wanted)


def _divide(
    held: HeldPositions, scope: Scope, mode: ControlMode, switches: Switches, policies: Mapping[str, UserPolicy]
) -> tuple[dict[PositionKey, Position], list[str]]:
    """Return the positions that executors sell once the switch has this mode, and in words those that another switch keeps."""
    sold: dict[PositionKey, Position] = {}
    kept: dict[str, int] = {}
    for place, position in held.positions.items():
        found = {each: switches.of(each) for each in scopes_of(place, policies.get(place[0]))} | {scope: Control(mode)}
        if flattening(*found.values()) is not None:
            sold[place] = position
        else:
            for each, switch in found.items():
                if switch.mode is ControlMode.HALT:
                    kept[str(each)] = kept.get(str(each), 0) + 1
    if mode is not ControlMode.FLATTEN:
        return {}, []
    return sold, [
        f"{count(number, 'position')} not sold while {name} is halted" for name, number in sorted(kept.items())
    ]


def _selling(scope: Scope, positions: int, worth: str) -> str:
    if not positions:
        return f"sells nothing of {scope}: no copied position is held; stops entries until resume"
    return f"sells {count(positions, 'position')} of {scope}, about {worth} at market, and stops entries until resume"


def _halting(whom: str, positions: int, worth: str) -> str:
    left = (
        f"; {count(positions, 'position')}, about {worth}, held without a stop loss until resume" if positions else ""
    )
    return f"halts {whom}: nothing is sent, exits included{left}"


def _line(place: PositionKey, position: Position) -> str:
    user, venue, _ = place
    return f"{user} at {venue}: {position.size} (cost {position.cost.amount:,.2f} {position.cost.currency})"


def _repeated(scope: Scope, before: Control, mode: ControlMode) -> list[str]:
    if before.mode is ControlMode.RUN:
        return [f"{scope} is not stopped now"] if mode is ControlMode.RUN else []
    by = f" by {before.by}" if before.by else ""
    why = f": {before.reason}" if before.reason else ""
    return [f"{scope} is {_WORDS[before.mode]} now{by}{why}"]


def _other_switches(scope: Scope, switches: Switches, users: Iterable[str]) -> list[str]:
    """Describe the switches of other scopes that go on whatever this one becomes."""
    found = []
    if scope != Scope() and (everybody := switches.of(Scope())).mode is not ControlMode.RUN:
        found.append(f"{EVERYBODY} is {_WORDS[everybody.mode]}, and stays so")
    own = [] if scope.user else switches.stopping(map(Scope, users))
    own += switches.stopping(each for each in switches.known if each.symbol and each != scope)
    return found + ([f"stopped by a switch of their own, and stay so: {name_some(own)}"] if own else [])


def _unvalued(at_cost: int) -> list[str]:
    return [f"{count(at_cost, 'position')} without a market price: counted at cost"] if at_cost else []


def _unread(held: HeldPositions) -> list[str]:
    if not held.unreadable:
        return []
    them = "it" if len(held.unreadable) == 1 else "them"
    return [f"{count(len(held.unreadable), 'record')} cannot be read, and nothing of {them} is sold"]
