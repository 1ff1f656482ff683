"""Takes the entries of one user's order stream into the queues of their symbols, and runs each to its end.

What was delivered before comes before what is new, and an exit comes after every earlier decision for its symbol: an entry that
came to light after the exit would stay open for ever. No entry may be left pending that nothing works on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.dispatcher import Dispatcher
from services.executor.orders.settlement import settle
from services.executor.protection.housekeeper import Task
from services.executor.turn.order_entries import OrderEntries
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.errors import BusRefused
from shared.bus.flow.streams import MAX_DELIVERIES, Entry, Group, entry_order
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.domain.order import Decision, Kind, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.values.symbol import Symbol

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Work:
    entry: Entry
    decision: Decision
    redelivered: bool


class EntryRunner:
    """The entries of one user in one turn. Tasks live in the turn's group."""

    def __init__(
        self,
        group: Group,
        user: str,
        contexts: Mapping[str, AccountContext],
        dispatchers: Mapping[str, Dispatcher],
        queues: SymbolQueues[Task],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._group = group
        self._user = user
        self._stream = keys.orders(user)
        self._contexts = contexts
        self._dispatchers = dispatchers
        self._queues = queues
        self._tasks = tasks
        self._entries = OrderEntries(user)
        self._working: set[str] = set()
        self._aside: dict[str, _Work] = {}
        """What was set aside, by entry: it is tried again later."""
        self._due: set[str] = set()
        """Entries of these with a running timer: one each, however often an exit has them tried before that."""

    async def sweep(self) -> None:
        """Queue every pending entry that is not in work: a predecessor's at the start, later none unless an answer was lost."""
        for entry in await self._group.all_pending(self._stream):
            self.take(entry, redelivered=True)

    def take(self, entry: Entry, *, redelivered: bool) -> None:
        """Append an entry to the queue of its symbol, once; one that cannot be read becomes a dead letter."""
        if entry.id in self._working:
            return
        self._working.add(entry.id)
        try:
            decision = self._entries.read(entry)
        except MalformedMessageError as error:
            self._spawn(self._dead_letter(entry, str(error)))
        else:
            context = self._contexts.get(decision.venue)
            # One that waits for its symbol is not about to leave: were it announced, those before it would wait for it.
            queue = self._queue_of(decision)
            if decision.copy is not None and context is not None and self._queues.idle(queue):
                context.priority.announce(decision.id)
            self._queues.add(queue, partial(self._process, _Work(entry, decision, redelivered)))

    def _queue_of(self, decision: Decision) -> Symbol:
        """Return the symbol in whose queue a decision runs: the present name of its own."""
        context = self._contexts.get(decision.venue)
        return decision.symbol if context is None else context.renames.symbol(decision.symbol)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._tasks.create_task(work)
        except RuntimeError:  # the turn is ending: what was not begun stays pending for the next one
            work.close()

    async def _dead_letter(self, entry: Entry, reason: str) -> None:
        """Move an entry to the dead letters after its last delivery, so that the rest can flow."""
        named = {"user": self._user, "entry_id": entry.id, "reason": reason}
        try:
            while 0 < await self._group.deliver_again(entry) < MAX_DELIVERIES:
                continue
            await self._group.dead_letter(entry, reason)
        except BusRefused as error:  # must not end the turn, on which exits depend: the next sweep tries again
            log.error("an order that cannot be read cannot become a dead letter yet", why=str(error), **named)
        else:
            log.error("an order that cannot be read is now a dead letter", **named)
        self._working.discard(entry.id)

    async def _process(self, work: _Work) -> None:
        decision = work.decision
        dispatcher = self._dispatchers.get(decision.venue)
        ended = True
        if dispatcher is None:
            await self._refuse(work)
        else:
            if decision.kind is Kind.EXIT:
                await self._retry_entries_aside(work)
                await self._process_stragglers(work)
            priority = self._contexts[decision.venue].priority
            try:
                if decision.copy is not None:
                    priority.announce(decision.id)
                    await priority.acquire(decision.id)
                ended = await dispatcher.run(decision, work.entry.id, redelivered=work.redelivered)
            finally:
                priority.release(decision.id)
        self._conclude(work, ended=ended)

    def _conclude(self, work: _Work, *, ended: bool) -> None:
        """Drop an entry that has ended; have one that was set aside tried again later, behind what waits for its symbol."""
        if ended:
            self._working.discard(work.entry.id)
            return
        decision = work.decision
        self._aside[work.entry.id] = _Work(work.entry, decision, redelivered=True)
        if work.entry.id not in self._due:
            self._due.add(work.entry.id)
            pause = self._dispatchers[decision.venue].pause(decision)
            self._queues.add_later(self._queue_of(decision), partial(self._retry_due, work.entry.id), pause)

    async def _retry_due(self, entry_id: str) -> None:
        self._due.discard(entry_id)
        await self._retry(entry_id)

    async def _retry(self, entry_id: str) -> None:
        """Run what was set aside, unless that has been done meanwhile."""
        if (work := self._aside.pop(entry_id, None)) is not None:
            await self._process(work)

    async def _retry_entries_aside(self, work: _Work) -> None:
        """Try entries of the symbol that were set aside once more, before this exit: it has to sell what they bought."""
        for entry_id, earlier in list(self._aside.items()):
            decision = earlier.decision
            if decision.kind is Kind.ENTRY and self._queue_of(decision) == self._queue_of(work.decision):
                await self._retry(entry_id)

    async def _refuse(self, work: _Work) -> None:
        """Settle a decision for a venue on which this user has no account."""
        decision = work.decision
        reason, code = decision.reason, decision.code
        if decision.copy is not None or decision.shadow is not None:
            reason, code = f"follows no account on {decision.venue}", ReasonCode.VENUE_NOT_FOLLOWED
        context = next(iter(self._contexts.values()))
        await settle(context, decision, work.entry.id, OrderState.SKIPPED, reason, code=code)

    async def _process_stragglers(self, work: _Work) -> None:
        """Run earlier decisions for the symbol that nothing works on, before this exit.

        They were delivered to a previous owner, or in an answer that was lost.
        """
        if await self._group.pending(self._stream) <= len(self._working):
            return
        for entry in await self._group.all_pending(self._stream):
            if entry.id in self._working or entry_order(entry.id) >= entry_order(work.entry.id):
                continue
            try:
                earlier = self._entries.read(entry)
            except MalformedMessageError:
                continue
            dispatcher = self._dispatchers.get(earlier.venue)
            if self._queue_of(earlier) == self._queue_of(work.decision) and dispatcher is not None:
                self._working.add(entry.id)
                ended = await dispatcher.run(earlier, entry.id, redelivered=True)
                self._conclude(_Work(entry, earlier, redelivered=True), ended=ended)
