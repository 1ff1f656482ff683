"""Reads a user's decisions about resting orders, from a stream of their own: they change orders that rest for days.

An entry is acknowledged once what it wants is durable; after that the mirrored order goes on by itself. A read waits for
nothing, so that it needs no connection per user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.mirroring.mirrors import Mirrors
from services.executor.orders.settlement import settle
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.flow.streams import MAX_DELIVERIES, Entry, Group
from shared.bus.flow.sweep import Sweep
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.mirror import RestingOrderMessage
from shared.domain.fault import FaultKind
from shared.domain.mirror import MirrorAction, MirrorDecision
from shared.domain.order import OrderState
from shared.domain.reason import ReasonCode

_EVERY: Final = 0.2
"""Seconds between reads."""
_AGAIN: Final = 1.0
_BATCH: Final = 100
_LEASE_NEEDED: Final = 1.0

log = structlog.get_logger()


class MirrorReader:
    """Reads for one user, and hands each decision to the account that it is for."""

    def __init__(
        self, bus: Bus, user: str, contexts: Mapping[str, AccountContext], mirrors: Mapping[str, Mirrors]
    ) -> None:
        self._bus = bus
        self._user = user
        self._contexts = contexts
        self._mirrors = mirrors
        self._stream = keys.resting(user)
        self._group = Group(bus, keys.EXECUTOR)

    async def run(self) -> None:
        """Read for ever. Raises LeaseLost, BusUnavailable."""
        pending = True
        context = next(iter(self._contexts.values()))
        sweep = Sweep(context.sender.clock.steady)
        while True:
            try:
                if pending or sweep.due():
                    await self._group.ensure([self._stream])
                    await self._take(await self._group.all_pending(self._stream))
                    pending = False
                context.lease.require(_LEASE_NEEDED)  # what is read here is delivered to no other process
                await self._take(await self._group.poll_new(self._stream, _BATCH))
            except ENDS_A_TURN:
                raise
            except Exception as error:  # must not end the turn: exits depend on it
                pending = True
                if context.faults.report(FaultKind.STREAM, f"{type(error).__name__}: {error}", "resting orders"):
                    log.exception("decisions about resting orders cannot be read", user=self._user)
                await asyncio.sleep(_AGAIN)
            else:
                context.faults.clear(FaultKind.STREAM, "resting orders")
                await asyncio.sleep(_EVERY)

    async def exists(self) -> bool:
        """Return whether there is a stream: somebody who has mirrored orders may have changed their settings since."""
        return bool(await self._bus.do("EXISTS", self._stream))

    async def _take(self, entries: list[Entry]) -> None:
        for entry in entries:
            try:
                wanted = self._read(entry)
            except MalformedMessageError as error:
                await self._dead_letter(entry, str(error))
                continue
            mirrors = self._mirrors.get(wanted.decision.venue)
            if mirrors is None:
                await self._refuse(wanted)
            else:
                await mirrors.apply(wanted, entry.id)
            await self._group.ack(self._stream, entry.id)

    def _read(self, entry: Entry) -> MirrorDecision:
        wanted = RestingOrderMessage.parse(entry.fields).to_domain()
        if wanted.decision.user != self._user:
            raise MalformedMessageError(f"user: {wanted.decision.user!r} in the stream of {self._user!r}")
        return wanted

    async def _refuse(self, wanted: MirrorDecision) -> None:
        """Settle a decision for a venue on which this user has no account."""
        if wanted.action is not MirrorAction.PLACE:
            return
        decision = wanted.decision
        reason, code = decision.reason, decision.code
        if decision.copy is not None:
            reason, code = f"follows no account on {decision.venue}", ReasonCode.VENUE_NOT_FOLLOWED
        await settle(next(iter(self._contexts.values())), decision, "", OrderState.SKIPPED, reason, code=code)

    async def _dead_letter(self, entry: Entry, reason: str) -> None:
        while 0 < await self._group.deliver_again(entry) < MAX_DELIVERIES:
            continue
        try:
            await self._group.dead_letter(entry, reason)
        except BusRefused as error:
            log.error("a decision that cannot be read cannot become a dead letter yet", user=self._user, why=str(error))
        else:
            log.error("a decision that cannot be read is now a dead letter", user=self._user, reason=reason)
