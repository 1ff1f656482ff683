"""One user's turn at this executor: from the lease that was claimed to its end.

Connect (the first private call voids every older signed request of the key), replay what a predecessor left pending, then carry
out what the reader hands in. Whatever ends the turn, the next owner begins again from what Redis and the venue hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.dispatcher import Dispatcher
from services.executor.orders.settlement import settle
from services.executor.protection.guardian import Guardian
from services.executor.protection.housekeeper import Housekeeper, Task
from services.executor.protection.own_exits import OwnExits
from services.executor.turn.order_entries import OrderEntries
from services.executor.turn.order_reader import OrderReader
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden, BusRefused
from shared.bus.lease import Lease
from shared.bus.streams import MAX_DELIVERIES, Entry, Group, entry_order
from shared.bus.watch import Watch
from shared.config.renames import RenamesFile
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import FileState, UserPolicy
from shared.domain.order import Decision, Kind, OrderState
from shared.domain.values.symbol import Symbol
from shared.runtime.supervision import Supervisor, endless
from shared.venues.errors import VenueError

_SWEEP: Final = 30.0
"""Seconds between looks for pending entries that nobody is working on; none are expected."""
_KEY_IN_DOUBT: Final = frozenset({FileState.SHARED, FileState.GONE})
"""Whose key may be another user's: see `contexts.py`."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Work:
    entry: Entry
    decision: Decision
    redelivered: bool


class Session:
    """Serves one user under one lease, with a context per venue."""

    def __init__(
        self,
        bus: Bus,
        reader: OrderReader,
        contexts: Mapping[str, AccountContext],
        lease: Lease,
        user: str,
        master_seen: asyncio.Event,
        faults: Faults | None = None,
        supervisor: Supervisor | None = None,
        *,
        watch: Watch | None = None,
    ) -> None:
        """`watch` is shared by the sessions of a process, so that guardians who look at once read the market once."""
        self._watch = watch or Watch(bus)
        self._supervisor = supervisor or Supervisor()
        self._bus = bus
        self._faults = faults or Faults()
        self._reader = reader
        self._contexts = contexts
        self._lease = lease
        self._user = user
        self._master_seen = master_seen
        self._stream = keys.orders(user)
        self._group = Group(bus, keys.EXECUTOR)
        self._entries = OrderEntries(user)
        self._guardians: list[Guardian] = []
        self._dispatchers = {name: Dispatcher(context) for name, context in contexts.items()}
        self._working: set[str] = set()
        self._aside: dict[str, _Work] = {}
        """What could not be carried to its end, by entry: it comes again later."""
        self._due: set[str] = set()
        """Entries of these for which a timer runs: one each, however often an exit has them tried before that."""
        # What arrives before the predecessor's entries are taken up waits behind them.
        self._early: list[tuple[Entry, bool]] | None = []
        self._queues: SymbolQueues[Task]
        self._tasks: asyncio.TaskGroup

    @property
    def idle(self) -> bool:
        """Whether everything has been taken up and no order is under way, waiting or set aside."""
        return (
            self._guardians != []
            and not self._queues.busy
            and not any(context.aside for context in self._contexts.values())
        )

    @property
    def connected(self) -> bool:
        """Whether the turn has begun to carry out what it reads."""
        return self._guardians != []

    @property
    def flat(self) -> bool:
        """Whether nothing is left to be sold for a user who leaves."""
        return all(guardian.flat for guardian in self._guardians)

    async def names_changed(self, table: RenamesFile) -> bool:
        """Say whether an asset has another name than this turn goes by, which takes a new turn. A venue's error is no change."""
        for name, context in self._contexts.items():
            if context.names.table != table.of(name):
                return True
            with suppress(VenueError):
                if context.renames != context.names.table.plus(await context.venue.renames()):
                    return True
        return False

    def follow(self, policy: UserPolicy) -> bool:
        """Go by changed settings from now on; False if that takes a new turn."""
        if set(policy.venues) != self._contexts.keys():
            return False
        if any(context.policy.paper != policy.paper for context in self._contexts.values()):
            return False  # another adapter, and books that may not be gone on with
        if (
            any(context.policy.file in _KEY_IN_DOUBT for context in self._contexts.values())
            and policy.file not in _KEY_IN_DOUBT
        ):
            return False  # the key was not used, or only because it had been before
        for context in self._contexts.values():
            context.follow(policy)
        for guardian in self._guardians:
            guardian.flat = False  # said by the former settings: an entry may have begun since
        return True

    async def serve(self) -> None:
        """Serve until the lease or Redis is lost, which is raised (in an exception group).

        Raises BusRefused if the user's stream is something else at the start: what a predecessor left in it comes before all.
        """
        await self._group.ensure([self._stream])
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._queues = SymbolQueues(tasks, _run)
                for context in self._contexts.values():
                    context.account.supervisor = self._supervisor
                    tasks.create_task(endless("account reader", context.account.run()))
                    tasks.create_task(endless("announcer", self._announce(context)))
                await self._connected()
                self._reader.register(self._user, self._lease, self._deliver)
                exits = {
                    name: OwnExits(context, self._dispatchers[name], self._queues)
                    for name, context in self._contexts.items()
                }
                for each in exits.values():
                    await each.resume()  # before any entry: what it has sold must not be sold again by one
                await self._sweep()
                early, self._early = self._early or [], None
                for entry, redelivered in early:
                    self._take(entry, redelivered=redelivered)
                # Not before what a predecessor left under way is in its queue: it would look like a difference.
                housekeeper = Housekeeper(self._bus, self._user, self._contexts, self._queues, self._supervisor)
                tasks.create_task(endless("housekeeper", housekeeper.run()))
                self._guardians = [
                    Guardian(context, self._watch, exits[name], self._supervisor)
                    for name, context in self._contexts.items()
                ]
                for guardian in self._guardians:
                    tasks.create_task(endless("guardian", guardian.run()))
                self._faults.clear(FaultKind.REDIS, self._user)
                while True:
                    await asyncio.sleep(_SWEEP)
                    with suppress(BusRefused, BusForbidden):  # the reader says so; exits by price go on meanwhile
                        await self._sweep()
        finally:
            for name in ("account reader", "housekeeper", "guardian"):
                self._supervisor.worked(f"{name} of {self._user}")  # what failed in this turn is nobody's later on
            for context in self._contexts.values():
                context.faults.clear_all()
                context.aside.forget()
            await self._reader.unregister(self._user)

    async def _connected(self) -> None:
        """Wait until every account is ready or parked: a skip can be settled for both, an entry for neither earlier."""
        for context in self._contexts.values():
            await context.account.until_known()
            with suppress(VenueError):
                await context.names.learn()

    async def _announce(self, context: AccountContext) -> None:
        """Say in a plain line when the user trades: once the account is ready and a master has been seen."""
        while True:
            await context.account.until_ready()
            await self._master_seen.wait()
            log.info(f"USER: {self._user}: TRADING (Broker: {context.venue.name.upper()})", user=self._user)
            await context.account.until_parked()

    def _deliver(self, entry: Entry, redelivered: bool) -> None:  # the reader's callback
        if self._early is not None:
            self._early.append((entry, redelivered))
        else:
            self._take(entry, redelivered=redelivered)

    async def _sweep(self) -> None:
        """Take up every pending entry that nobody works on: a predecessor's at the start, none later unless all is not well."""
        for entry in await self._group.all_pending(self._stream):
            self._take(entry, redelivered=True)

    def _take(self, entry: Entry, *, redelivered: bool) -> None:
        """Put an entry into the queue of its symbol, once; one that cannot be read is put aside."""
        if entry.id in self._working:
            return
        self._working.add(entry.id)
        try:
            decision = self._entries.read(entry)
        except MalformedMessageError as error:
            self._spawn(self._dead_letter(entry, str(error)))
        else:
            context = self._contexts.get(decision.venue)
            # One that waits for its symbol is not about to leave: were it expected, those before it would wait for it.
            queue = self._queue_of(decision)
            if decision.copy is not None and context is not None and self._queues.idle(queue):
                context.priority.announce(decision.id)
            self._queues.add(queue, partial(self._process, _Work(entry, decision, redelivered)))

    def _queue_of(self, decision: Decision) -> Symbol:
        """Return the symbol in whose queue a decision is carried out: the present name of its own, whatever it was called."""
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
        except BusRefused as error:  # no reason to end the turn, on which exits hang: the next sweep tries again
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
                await self._retry_set_aside(work)
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
        """Let go of an entry that has its end; one that was set aside comes again, behind what waits for its symbol."""
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
        """Carry out what was set aside, unless that has been done meanwhile."""
        if (work := self._aside.pop(entry_id, None)) is not None:
            await self._process(work)

    async def _retry_set_aside(self, work: _Work) -> None:
        """Try entries of the symbol that stand aside once more, before this exit: what they bought is to be sold by it."""
        for entry_id, earlier in list(self._aside.items()):
            decision = earlier.decision
            if decision.kind is Kind.ENTRY and self._queue_of(decision) == self._queue_of(work.decision):
                await self._retry(entry_id)

    async def _refuse(self, work: _Work) -> None:
        """Settle a decision for a venue on which this user has no account."""
        decision = work.decision
        reason = decision.reason if decision.copy is None else f"follows no account on {decision.venue}"
        await settle(next(iter(self._contexts.values())), decision, work.entry.id, OrderState.SKIPPED, reason)

    async def _process_stragglers(self, work: _Work) -> None:
        """Carry out earlier decisions for the symbol that nobody works on, before this exit.

        They were delivered to an owner who is gone, or in an answer that was lost. An entry that came to light after the exit
        would stay open for ever.
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


async def _run(task: Task) -> None:
    await task()
