"""Recognises Shoal's own copies on the master's account: then a user's key opens the master's own account.

Each copy would become a signal, be copied again, and so on without end. A copy's client order id is derived from the signal and
the user, and its record is written ahead of its send, so it is recognised at once. The user is stopped with `halt`, not
`pause`: their exits would sell the master's coins. After correcting the key an operator lifts it with `ops resume`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

import structlog

from services.master_strategy.clock import Clock
from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import flatten
from shared.bus.state.records import pairs
from shared.bus.users.user_index import scan_users
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.domain.account import MASTER
from shared.domain.control import Control, ControlMode
from shared.domain.fault import FaultKind, Faults
from shared.domain.order import leg_id, order_id
from shared.domain.signal import Signal

REASON: Final = "this key opens the master's own account"
_BY: Final = "master-strategy"
_USERS_FOR: Final = 60_000  # ms for which the list of users is used
_LEGS: Final = 4  # legs of an exit that are looked for where the first is not recorded
_LATEST: Final = 100  # signals of the stream, as many as a book remembers
_MOST_DERIVED: Final = 20_000  # ids that are derived for one order: a few tens of ms
_LOGGED: Final = 100_000

_log = structlog.get_logger(__name__)


class OwnCopies:
    """The users' orders as the master's account may show them. `signals` are the latest ones, newest first."""

    def __init__(self, bus: Bus, venue: str, clock: Clock, faults: Faults, owner: str = MASTER) -> None:
        self._bus = bus
        self._owner = owner
        self._venue = venue
        self._clock = clock
        self._faults = faults
        self._users: list[str] = []
        self._users_read_at: int | None = None
        # Users stopped by a former session of this process are still in the register.
        self._stopped = {
            fault.subject for fault in faults.standing if fault.kind is FaultKind.KEY and REASON in fault.reason
        }

    async def owner(self, client_order_id: str, signals: Sequence[Signal]) -> str:
        """Return the user whose copy an order is; an empty text if it is no copy. Costs nothing for ids of another kind."""
        if not _derived(client_order_id):
            return ""
        users = await self._known_users()
        records = [keys.order(user, client_order_id) for user in users]
        answers = await self._bus.do_all([("EXISTS", name) for name in records])
        for user, answer in zip(users, answers, strict=True):
            if answer == 1:
                return user
        found = self._by_derivation(client_order_id, users, signals)
        return found or self._by_derivation(client_order_id, users, await self._signals_of_others())

    async def stop(self, user: str, client_order_id: str) -> None:
        """Halt a user whose key opens the master's account, unless they are halted; the fault stands until they trade again."""
        self._faults.report(FaultKind.KEY, user, f"{user}: {REASON}")
        self._stopped.add(user)
        key = keys.control(user)
        before = Control.read(pairs(await self._bus.do("HGETALL", key))).mode
        if before is ControlMode.HALT:
            return
        said = {"mode": ControlMode.HALT, "reason": REASON, "by": _BY, "at": str(self._clock.now())}
        await self._bus.do("HSET", key, *flatten(said))
        entry = {"v": "1", "of": user, "before": before, **said}
        await self._bus.do("XADD", keys.CONTROL_LOG, "MAXLEN", "~", _LOGGED, "*", *flatten(entry))
        _log.error(
            "a user's key opens the master's own account; the user is halted", user=user, order_id=client_order_id
        )

    async def look_again(self) -> None:
        """Forget the users who may trade again: their key may be another one now."""
        for user in list(self._stopped):
            if Control.read(pairs(await self._bus.do("HGETALL", keys.control(user)))).mode is not ControlMode.HALT:
                self._stopped.discard(user)
                self._faults.clear(FaultKind.KEY, user)

    def _by_derivation(self, client_order_id: str, users: Sequence[str], signals: Sequence[Signal]) -> str:
        """Derive the order ids of the latest signals: for a record that Redis has lost, and for later legs of an exit."""
        left = _MOST_DERIVED
        for signal in signals:
            for user in users:
                order = order_id(signal.id, user, self._venue)
                legs = (order, *(leg_id(order, leg) for leg in range(2, _LEGS + 1) if signal.fraction is not None))
                if client_order_id in legs:
                    return user
                left -= len(legs)
            if left <= 0:
                break
        return ""

    async def _signals_of_others(self) -> list[Signal]:
        """Return the latest signals of the master's other accounts: users may copy them at this venue."""
        found = []
        for entry in await SignalLog(self._bus).latest(_LATEST):
            with suppress(MalformedMessageError):
                signal = SignalMessage.parse(entry.fields).to_domain()
                found += [signal] if (signal.owner, signal.venue) != (self._owner, self._venue) else []
        return found

    async def _known_users(self) -> list[str]:
        now = self._clock.now()
        if self._users_read_at is None or now - self._users_read_at > _USERS_FOR:
            self._users, self._users_read_at = await scan_users(self._bus), now
        return self._users


def _derived(client_order_id: str) -> bool:
    """Return whether this can be an id of a copy: a name-based UUID. Other programs use random ones."""
    try:
        return UUID(client_order_id).version == 5
    except ValueError:
        return False
