"""The control hashes of a process's users and the switches of everybody and of symbols: read once a second, all together.

Who waits for one of them is woken when it changes. It decides nothing: whether an order may leave is asked in the step of its
write-ahead. It must never pass off an old switch as the present one: what was not read lately is unknown, and is then read by
who needs it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from services.executor.account.keys.key_doctor import REQUEST as KEY_CHECK
from services.executor.turn.send_priority import SendPriority
from shared.bus.client.wire import pack
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.state.records import SWITCH_FIELDS, read_switch, switch_of
from shared.contracts import keys
from shared.domain.control import Control
from shared.domain.values.symbol import Symbol

_EVERY: Final = 1.0
_SERVES: Final = 3.0
"""Seconds for which what was read counts as present: two reads may be late."""
_AT_ONCE: Final = 500
"""Users who are read in one go, so that orders can leave in between."""
REQUESTS: Final = ("reconcile_at", "reconcile_mode", KEY_CHECK)
"""The fields of a control hash by which an operator requests something of a user's executor."""

_UNSET: Final = [None] * len(SWITCH_FIELDS)
"""The answer about a switch that is not set."""
_UNASKED: Final = [None] * len(REQUESTS)
"""The answer about requests of which there is none."""

log = structlog.get_logger()


def requests_of(answer: Any) -> Mapping[str, str]:
    """Return the requests in the answer to HMGET of `REQUESTS`; none if the hash cannot be read."""
    if not isinstance(answer, list):
        return {}
    return {name: str(value) for name, value in zip(REQUESTS, answer, strict=True) if value is not None}


@dataclass(slots=True)
class _Followed:
    command: bytes
    switched: Callable[[], None]
    requested: Callable[[], None]
    switch: Any
    requests: Any
    read_at: float | None = None
    """Steady instant; None before the first reading."""
    symbols: dict[str, frozenset[Symbol]] = field(default_factory=dict)
    """By venue."""


class ControlWatch:
    """The users of one process."""

    def __init__(self, bus: Bus, priority: SendPriority | None = None) -> None:
        self._bus = bus
        self._priority = priority or SendPriority()
        self._followed: dict[str, _Followed] = {}
        self._shared: dict[bytes, Any] = {}
        """The answers about everybody's switch and those of symbols, by question."""

    def follow(self, user: str, *, switched: Callable[[], None], requested: Callable[[], None]) -> None:
        """Have a user's hash read from now on.

        `switched` is called when a switch has changed by which the user's positions may be closed, `requested` when the requests
        have.
        """
        command = pack(("HMGET", keys.control(user), *SWITCH_FIELDS, *REQUESTS))
        self._followed[user] = _Followed(command, switched, requested, _UNSET, _UNASKED)

    def forget(self, user: str) -> None:
        """Read a user's hash no more."""
        self._followed.pop(user, None)

    def note_symbols(self, user: str, venue: str, symbols: frozenset[Symbol]) -> None:
        """Note by which symbols' switches the user's positions at a venue can be closed."""
        if (followed := self._followed.get(user)) is not None:
            followed.symbols[venue] = symbols

    def switch(self, user: str) -> Control | None:
        """Return a user's own switch as of the last second or two; None if it was not read lately."""
        followed = self._followed.get(user)
        if followed is None or followed.read_at is None or time.monotonic() - followed.read_at > _SERVES:
            return None
        return read_switch(followed.switch)

    async def run(self) -> None:
        """Read until cancelled. While Redis does not answer nothing is known; the turns report that."""
        while True:
            try:
                await self.look()
            except BusError as error:
                log.debug("the control hashes could not be read", reason=str(error))
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Read everything once. Raises BusUnavailable."""
        users = list(self._followed)
        for first in range(0, len(users), _AT_ONCE):
            await self._priority.yield_to_sends()
            await self._read(users[first : first + _AT_ONCE])
        await self._read_shared()

    async def _read(self, users: list[str]) -> None:
        asked = [(user, self._followed[user]) for user in users if user in self._followed]
        at = time.monotonic()
        answers = await self._bus.do_all([followed.command for _, followed in asked])
        for (user, followed), answer in zip(asked, answers, strict=True):
            if self._followed.get(user) is not followed:
                continue  # its turn has ended meanwhile
            apart = isinstance(answer, list)  # else an error, of a hash that cannot be read
            switch, requests = (answer[: len(SWITCH_FIELDS)], answer[len(SWITCH_FIELDS) :]) if apart else (answer, None)
            followed.read_at = at
            if _differs(switch, followed.switch):
                followed.switch = switch
                followed.switched()
            if requests != followed.requests:
                followed.requests = requests
                followed.requested()

    async def _read_shared(self) -> None:
        held = [symbols for followed in self._followed.values() for symbols in followed.symbols.values()]
        symbols = frozenset[Symbol]().union(*held)
        questions = [switch_of(keys.CONTROL), *(switch_of(keys.control_of_symbol(symbol)) for symbol in symbols)]
        found = dict(zip(questions, await self._bus.do_all(questions), strict=True))
        known, self._shared = self._shared, found
        # One that is read for the first time may have been set since a guardian has looked at it.
        if any(_differs(answer, known.get(question, _UNSET)) for question, answer in found.items()):
            for followed in list(self._followed.values()):
                followed.switched()


def _differs(answer: Any, other: Any) -> bool:
    """Return whether two answers differ; an error is the same as another one of the same words."""
    if isinstance(answer, Exception) and isinstance(other, Exception):
        return str(answer) != str(other)
    return bool(answer != other)
