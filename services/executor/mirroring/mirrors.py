"""All mirrored orders of one account in one turn: begins, changes and resumes them, and answers for the rest of the executor.

Of each order of the master's a user either has a mirrored order or copies its fills, never both: which one is recorded, under the
fencing token, before the first of anything is sent for it.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.mirroring.gate import MirrorGate
from services.executor.mirroring.last_step import LastStep
from services.executor.mirroring.leg_sizes import LegSizes
from services.executor.mirroring.mirrored_legs import LegTools
from services.executor.mirroring.mirrored_order import MirroredOrder, MirrorTools
from services.executor.mirroring.open_orders import OpenOrders
from services.executor.mirroring.queue_slot import QueueSlot
from services.executor.orders.dispatcher import Dispatcher
from services.executor.orders.settlement import settle
from services.executor.protection.housekeeper import Task
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.connection import Bus
from shared.bus.flow.streams import entry_ms
from shared.bus.order.mirrors import MirrorStore
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import OrdersMode
from shared.domain.mirror import Mirror, MirrorAction, MirrorDecision
from shared.domain.order import TERMINAL, Decision, Kind, OrderState
from shared.domain.position import MAIN
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.money import ONE, ZERO
from shared.domain.values.symbol import Symbol

_EXIT_FIRST: Final = Skip("an exit has to sell what its order held", ReasonCode.EXIT_FIRST)

log = structlog.get_logger()


class Mirrors(MirrorGate):
    """The mirrored orders of one account."""

    def __init__(
        self,
        bus: Bus,
        context: AccountContext,
        dispatcher: Dispatcher,
        queues: SymbolQueues[Task],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._context = context
        self._queues = queues
        self._tasks = tasks
        self._store = MirrorStore(bus, context.lease, context.user, context.venue.name)
        self._orders: dict[str, MirroredOrder] = {}
        """By the master's order id."""
        self._marks: dict[str, bool] = {}
        self._unreadable: frozenset[str] = frozenset()
        """The master's orders whose record cannot be read: what it may have bought is not bought again, a sale is not missed."""
        self._deciding = asyncio.Lock()
        legs = LegTools(
            context=context,
            open_orders=OpenOrders(context.venue, context.sender.clock.steady, self._resting),
            admission=dispatcher.admission,
            on_sale=self._on_sale,
            may_cancel=self._may_cancel,
        )
        last_step = LastStep(context, LegSizes(context, dispatcher.admission), dispatcher)
        self._tools = MirrorTools(bus, self._store, legs, last_step)
        self._cancels: bool | None = None

    @property
    def symbols(self) -> frozenset[Symbol]:
        """The symbols with an order that rests at the venue."""
        return frozenset(each.mirror.decision.symbol for each in self._orders.values() if each.rests)

    @property
    def orders(self) -> tuple[MirroredOrder, ...]:
        """Those that have not ended."""
        return tuple(self._orders.values())

    async def resume(self) -> None:
        """Take up what a predecessor left; to be called before anything else is queued. Raises LeaseLost, BusUnavailable."""
        book = await self._store.load(self._context.clock())
        self._marks = dict(book.marks)
        self._unreadable = frozenset(book.unreadable)
        for order_id, why in book.unreadable.items():
            self._marks[order_id] = True
            reason = f"its record cannot be read, so nothing is done for it: {why}"
            if self._context.faults.report(FaultKind.RECORD, reason, f"mirrored order {order_id}"):
                log.error("a mirrored order cannot be read", user=self._context.user, order=order_id, reason=why)
        for mirror in book.mirrors.values():
            order = self._add(mirror, suspect=True)
            await order.recall()
            self._start(order)

    async def apply(self, wanted: MirrorDecision, entry_id: str) -> None:
        """Carry out a decision, as far as it must be durable before it is acknowledged. Harmless to repeat.

        Raises LeaseLost, BusUnavailable.
        """
        known = self._orders.get(wanted.master_order_id)
        if known is not None:
            if (newer := known.mirror.updated(wanted)) is not known.mirror:
                await known.wish(newer)
        elif wanted.action is MirrorAction.PLACE and wanted.master_order_id not in self._unreadable:
            await self._begin(wanted, entry_id)

    async def takes_fill(self, decision: Decision) -> bool:
        """Return whether a fill is not to be copied, because the master's order is mirrored; else record that it is copied."""
        order_id = decision.master_order_id
        if not order_id or not decision.signal_id:
            return False
        if order_id in self._unreadable:
            return decision.kind is Kind.ENTRY
        if (mirrored := self._marks.get(order_id)) is not None:
            return mirrored
        if self._context.policy.orders is not OrdersMode.MIRROR:
            return False
        async with self._deciding:
            if (mirrored := self._marks.get(order_id)) is None:
                mirrored = self._marks[order_id] = False
                await self._store.mark_fills(order_id, self._context.clock())
        return mirrored

    async def make_room(self, decision: Decision) -> None:
        """Cancel the resting sales of a symbol if an exit needs what they hold, and return when they have ended."""
        if not self._orders or decision.copy is None or decision.master != MAIN:
            return  # only what the main book holds is mirrored
        sales = [each for each in self._orders.values() if each.rests and _is_sale(each, decision)]
        if not sales:
            return
        held = await self._context.positions.book(decision.symbol, MAIN)
        size = held.size.amount if held is not None else ZERO
        needed = size * min(decision.copy.fraction or ONE, ONE)
        if needed <= size - sum((each.offered for each in sales), ZERO):
            return
        for each in sales:
            await each.give_way(_EXIT_FIRST)

    async def _begin(self, wanted: MirrorDecision, entry_id: str) -> None:
        context, decision = self._context, wanted.decision
        if decision.copy is None:
            await settle(context, decision, "", OrderState.SKIPPED, decision.reason, code=decision.code)
            return
        if decision.kind is Kind.ENTRY and context.books.precede(entry_ms(entry_id)):
            reason = f"decided before this account went over to {context.books.funds.words}"
            await settle(context, decision, "", OrderState.SKIPPED, reason, code=ReasonCode.FUNDS_CHANGED)
            return
        mirror = Mirror.of(wanted)
        async with self._deciding:
            if self._marks.get(wanted.master_order_id) is False:
                reason = "the master's order had filled before it could be mirrored: its fills are copied"
                await settle(context, decision, "", OrderState.SKIPPED, reason, code=ReasonCode.COPIED_BY_FILLS)
                return
            if (await context.store.load(decision.id)).get("state") in TERMINAL:
                return
            self._marks[wanted.master_order_id] = True
            await self._store.begin(mirror, context.clock())
        suspect = entry_ms(entry_id) < context.lease.since
        self._start(self._add(mirror, suspect=suspect))

    def _add(self, mirror: Mirror, *, suspect: bool) -> MirroredOrder:
        symbol = self._context.renames.symbol(mirror.decision.symbol)
        order = MirroredOrder(self._tools, mirror, partial(QueueSlot, self._queues, symbol), suspect=suspect)
        self._orders[mirror.master_order_id] = order
        return order

    def _start(self, order: MirroredOrder) -> None:
        running = self._run(order)
        try:
            self._tasks.create_task(running)
        except RuntimeError:  # the turn is ending: the next one resumes it
            running.close()

    async def _run(self, order: MirroredOrder) -> None:
        await order.run()
        self._orders.pop(order.mirror.master_order_id, None)

    async def _may_cancel(self) -> bool:
        """Ask the venue once a turn whether the key may cancel; a refusal is a fault until the next turn."""
        if self._cancels is None:
            self._cancels = await self._context.venue.may_cancel()
        if not self._cancels:
            reason = (
                "the API key may not cancel orders: nothing is mirrored; its owner gives it that right at the venue"
            )
            self._context.faults.report(FaultKind.KEY, reason, "cancel")
        return self._cancels

    def _resting(self) -> int:
        return sum(each.rests for each in self._orders.values())

    def _on_sale(self, mirror: Mirror) -> Decimal:
        """Return what the other mirrored sales of a symbol have on sale."""
        others = (each for each in self._orders.values() if each.mirror.master_order_id != mirror.master_order_id)
        return sum((each.offered for each in others if _is_sale(each, mirror.decision)), ZERO)


def _is_sale(order: MirroredOrder, decision: Decision) -> bool:
    """Return whether an order sells what a decision is about, and is not that decision's own."""
    own = order.mirror.decision
    return own.kind is Kind.EXIT and own.symbol == decision.symbol and own.id != decision.id
