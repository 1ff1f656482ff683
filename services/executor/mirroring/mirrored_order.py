"""One mirrored order, from its decision to its outcome: what is wanted of it, and the one step that follows from that.

Every round begins with what Redis holds and does the one step that follows from it (`shared/domain/mirror.py`), so that a
process may die anywhere. A leg is amended by cancelling it; the rest goes out once the venue has proved what it filled
(`mirrored_legs.py`). In the end the master's order ends it.

It must never begin a step from anything but the record, nor end before no leg rests any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from services.executor.mirroring.last_step import LastStep
from services.executor.mirroring.leg_sizes import RESTING, SELLING_REST, TERMS
from services.executor.mirroring.mirror_guard import MirrorGuard
from services.executor.mirroring.mirror_state import MirrorState
from services.executor.mirroring.mirrored_legs import LegTools, MirroredLegs, placed_terms
from services.executor.mirroring.queue_slot import QueueSlot
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN
from shared.bus.order.mirrors import MirrorStore
from shared.domain.fault import FaultKind
from shared.domain.mirror import Mirror, Step, block, next_step
from shared.domain.order import TERMINAL, Kind, OrderState
from shared.domain.skip import Skip
from shared.execution.record import OrderRecord

_LOOK: Final = 10.0
"""Seconds between rounds while nothing changes: switches and the master's silence are looked at."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MirrorTools:
    """What the mirrored orders of one account share."""

    bus: Bus
    store: MirrorStore
    legs: LegTools
    last_step: LastStep


class MirroredOrder:
    """One mirrored order of one account, under one lease."""

    def __init__(self, tools: MirrorTools, mirror: Mirror, slot: Callable[[], QueueSlot], *, suspect: bool) -> None:
        """`slot` makes a place in the queue of its symbol. `suspect`: it may have been begun before."""
        self._context = tools.legs.context
        self._admission = tools.legs.admission
        self._last_step = tools.last_step
        self._slot = slot
        self._first: QueueSlot | None = None
        self._state = MirrorState(tools.store, mirror, self._context.sender.clock.steady)
        self._guard = MirrorGuard(tools.bus, self._context, mirror)
        self._legs = MirroredLegs(tools.legs, self._state, self._guard, slot, self._unwanted, suspect=suspect)

    @property
    def mirror(self) -> Mirror:
        """What is wanted of it."""
        return self._state.mirror

    @property
    def rests(self) -> bool:
        """Whether a leg was sent that has no proven end."""
        return self._legs.rests

    @property
    def offered(self) -> Decimal:
        """How much of its resting leg is not filled, as far as was seen (base)."""
        return self._legs.offered

    async def wish(self, mirror: Mirror) -> None:
        """Record what is wanted of it now, and act by it. Raises LeaseLost, BusUnavailable."""
        await self._state.put(mirror)
        self._state.try_now()
        self._nudge()

    async def give_way(self, why: Skip) -> None:
        """Cancel a resting leg and return when it has ended; nothing of it rests any more. Raises LeaseLost, BusUnavailable."""
        await self._state.put(block(self.mirror, why))
        self._nudge()
        await self._legs.over()

    async def recall(self) -> None:
        """Learn from its record whether a leg rests, before anything else happens to the symbol. Raises BusUnavailable."""
        fields = await self._context.store.load(self.mirror.decision.id)
        record = OrderRecord.read(fields)
        if record.state in {None, OrderState.PLANNED, *TERMINAL}:
            return
        if fields.get(SELLING_REST) == "yes":  # an exit like any other: it has its place in the queue before any other
            self._first = self._slot()
            self._first.queue()
        else:
            self._legs.begin(fields, record)

    async def run(self) -> None:
        """Do step after step until it has an outcome. Raises LeaseLost, BusUnavailable."""
        subject = f"mirrored order {self.mirror.decision.id}"
        failures = 0
        while True:
            try:
                if await self._round():
                    break
                failures = 0
                self._context.faults.clear(FaultKind.ORDER, subject)
            except ENDS_A_TURN:
                raise
            except Exception as error:  # must not end the turn: exits depend on it
                failures += 1
                words = f"{self.mirror.decision.kind} of {self.mirror.decision.symbol} fails: {type(error).__name__}: {error}"
                if self._context.faults.report(FaultKind.ORDER, words, subject):
                    log.exception("a mirrored order failed", **self._state.named())
                await asyncio.sleep(min(_FIRST_PAUSE * 2.0 ** min(failures, 6), _LONGEST_PAUSE))
        self._context.faults.clear(FaultKind.ORDER, subject)
        self._context.faults.clear(FaultKind.ORDER, f"order {self.mirror.decision.id}")

    async def _round(self) -> bool:
        """Do one step; return whether that was the end."""
        context, decision, state = self._context, self.mirror.decision, self._state
        state.changed.clear()
        fields = await context.store.load(decision.id)
        record = OrderRecord.read(fields)
        if record.state in {None, OrderState.PLANNED}:
            self._legs.end()  # an exception may have ended the last round
        if record.state in TERMINAL:
            await self._close()
            return True
        await self._abandon_if_lost()
        if record.state not in {None, OrderState.PLANNED}:
            return await self._go_on(fields, record)
        if (stop := await self._guard.forbids()) is not None and not self.mirror.ended:
            await state.put(block(self.mirror, stop))
        halted = await self._guard.halted()
        step = next_step(
            self.mirror,
            record.filled,
            placed=max(placed_terms(fields, record), self._legs.too_small_for),
            live=False,
            forbidden=state.pausing,
            halted=halted,
        )
        if step is Step.FINISH:
            return await self._finish()
        if step is Step.PLACE:
            await self._legs.send_resting(fields, record)
        elif step is Step.CATCH_UP and not state.pausing:
            await self._legs.sell_late(fields, record)
        else:
            await state.wait(_LOOK)
        return False

    async def _go_on(self, fields: Mapping[str, str], record: OrderRecord) -> bool:
        """Go on with the leg that was begun; return whether that was the end."""
        if fields.get(RESTING) != "no":
            await self._legs.follow(fields, record)
        elif fields.get(SELLING_REST) == "yes" or self.mirror.decision.kind is Kind.ENTRY:
            return await self._finish()
        else:
            await self._legs.resolve_immediate(fields, record)
        return False

    async def _finish(self) -> bool:
        """End it with the master's order; False if that has to be tried again."""
        self._legs.end()
        mirror = await self._last_step.take(self.mirror, self._guard, self._next_slot)
        if mirror is not None:
            await self._state.put(mirror)
            self._state.try_later()
            await self._state.wait(_LOOK)
            return False
        await self._close()
        return True

    async def _close(self) -> None:
        """Forget it: its order has an outcome."""
        self._legs.end()
        self._admission.release(self.mirror.decision)
        await self._state.end()

    def _next_slot(self) -> QueueSlot:
        """Return the place in the queue that was taken at the start of the turn, once; else a new one."""
        slot, self._first = self._first or self._slot(), None
        return slot

    async def _abandon_if_lost(self) -> None:
        """Give it up if the user follows no more, or the master's order is gone without a word."""
        if self.mirror.ended:
            return
        why = ""
        if not self._context.policy.followed:
            why = "the user follows no more"
        elif await self._guard.gone():
            why = "the master's order is no longer among its open ones"
        if why:
            log.warning("a mirrored order is given up", **self._state.named(), reason=why)
            await self._state.put(replace(self.mirror, ended=True, abandoned=why))

    async def _unwanted(self) -> bool:
        """Return whether the leg that rests must be cancelled now."""
        self._state.changed.clear()
        await self._abandon_if_lost()
        if (stop := await self._guard.forbids()) is not None:
            await self._state.put(block(self.mirror, stop))
        fields = await self._context.store.load(self.mirror.decision.id)
        halted = await self._guard.halted()  # asked last: a halt that came before the master's cancel counts before it
        placed = int(fields.get(TERMS) or 0)
        step = next_step(self.mirror, self._legs.before, placed=placed, live=True, forbidden=False, halted=halted)
        return step is Step.CANCEL

    def _nudge(self) -> None:
        self._state.changed.set()
        self._legs.nudge()
