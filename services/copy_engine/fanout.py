"""Carries one signal to every user: one decision each, written under the signal's own entry id.

That id is what makes the fan-out safe to repeat: Redis refuses a second decision on the same signal, so the first one stands.
Signals must be carried strictly in order, each to all users before the next: a stream takes no id below its last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from services.copy_engine.decide import Follower, decide, skip
from services.copy_engine.reading import Reader
from shared.bus.connection import Bus
from shared.bus.streams import Entry, flatten, leave_letter, read_entries
from shared.config.boundary import Boundary, Step
from shared.contracts import keys
from shared.contracts.messages import OrderMessage
from shared.domain.instrument import Instrument
from shared.domain.order import Decision
from shared.domain.policy import UserPolicy
from shared.domain.signal import Signal
from shared.domain.symbol import Symbol

_CHUNK: Final = 16
"""Users per round trip: the first orders are out while the last are still being decided."""
_ALREADY_DECIDED: Final = "equal or smaller"
_LOOK_BACK: Final = 1_000
"""Entries of a stream that was past its signal that are looked through for a decision that was appended before."""

log = structlog.get_logger()


class FanOut:
    """Decides and writes for all users; the user that goes first rotates."""

    def __init__(self, bus: Bus, clock: Callable[[], int], boundary: Boundary | None = None) -> None:
        self._bus = bus
        self._clock = clock
        self._boundary = boundary or Boundary()
        self._reader = Reader(bus, clock)
        self._turn = 0

    async def carry(
        self, entry: Entry, signal: Signal, users: Sequence[UserPolicy], instruments: Mapping[Symbol, Instrument]
    ) -> None:
        """Write one decision per user. Raises BusUnavailable: then the whole signal is carried again, harmlessly."""
        if not users:
            return
        start = self._turn % len(users)
        self._turn += 1
        order = [*users[start:], *users[:start]]
        copied = 0
        for first in range(0, len(order), _CHUNK):
            followers = await self._reader.followers(signal, order[first : first + _CHUNK])
            decisions = [self._decide(signal, follower, instruments) for follower in followers]
            copied += sum(decision.copy is not None for decision in decisions)
            await self._write(entry.id, decisions)
            self._boundary.passed(Step.ENGINE_MID_FANOUT)
        log.info(
            "signal carried to users",
            signal_id=signal.id,
            symbol=str(signal.symbol),
            kind=signal.kind,
            copied=copied,
            skipped=len(order) - copied,
        )

    def _decide(self, signal: Signal, follower: Follower, instruments: Mapping[Symbol, Instrument]) -> Decision:
        now = self._clock()
        try:
            return decide(signal, follower, instruments.get(follower.policy.symbols.mapped(signal.symbol)), now)
        except Exception as error:  # any failure in a decision is a skip: nobody may receive the master's size
            log.exception("decision failed", signal_id=signal.id, user=follower.policy.user)
            return skip(signal, follower, f"the decision failed: {type(error).__name__}: {error}", now)

    async def _write(self, entry_id: str, decisions: Sequence[Decision]) -> None:
        written = [OrderMessage.from_domain(decision).fields() for decision in decisions]
        commands: list[tuple[str | int | bytes, ...]] = [
            ("XADD", keys.orders(decision.user), entry_id, *flatten(fields))
            for decision, fields in zip(decisions, written, strict=True)
        ]
        answers = await self._bus.do_all(commands)
        for decision, fields, answer in zip(decisions, written, answers, strict=True):
            if isinstance(answer, Exception):
                await self._settle_refused(Entry(keys.orders(decision.user), entry_id, fields), decision, answer)

    async def _settle_refused(self, entry: Entry, decision: Decision, refused: Exception) -> None:
        """See to a decision that Redis did not take, without stopping the other users' for it.

        Mostly it stands already. If the stream is past its id instead (after a fail-over), it is appended under a new one: the
        order's own id keeps it from being carried out twice. If the stream cannot be written at all, the decision becomes a dead
        letter of this user, which the audit tells.
        """
        if _ALREADY_DECIDED not in str(refused):
            log.error(
                "a decision could not be written", signal_id=decision.signal_id, user=decision.user, reason=str(refused)
            )
            await leave_letter(self._bus, entry, keys.ENGINE, str(refused))
        elif not await self._stands(entry, decision.id):
            log.error(
                "the user's stream was past this signal; its decision stands out of order",
                signal_id=decision.signal_id,
                user=decision.user,
                entry_id=entry.id,
            )
            if not await self._stands_elsewhere(entry.stream, decision.id):
                await self._bus.do("XADD", entry.stream, "*", *flatten(entry.fields))

    async def _stands(self, entry: Entry, order_id: str) -> bool:
        """Say whether this very decision is what the stream has under the signal's id.

        Another entry can have it: one that was appended in the same millisecond, as a late decision or by a person.
        """
        there = read_entries(entry.stream, await self._bus.do("XRANGE", entry.stream, entry.id, entry.id))
        return any(each.fields.get("id") == order_id for each in there)

    async def _stands_elsewhere(self, stream: str, order_id: str) -> bool:
        newest = read_entries(stream, await self._bus.do("XREVRANGE", stream, "+", "-", "COUNT", _LOOK_BACK))
        return any(entry.fields.get("id") == order_id for entry in newest)
