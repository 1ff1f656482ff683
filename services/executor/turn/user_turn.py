"""One user's turn at this executor: from the lease that was claimed to its end.

Connect (the first private call voids every older signed request of the key), take the entries that a predecessor left pending,
then run what the reader delivers. However the turn ends, the next owner begins again from what Redis and the venue hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import structlog

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.context import AccountContext
from services.executor.mirroring.mirror_reader import MirrorReader
from services.executor.mirroring.mirrors import Mirrors
from services.executor.orders.dispatcher import Dispatcher
from services.executor.protection.guardian import Guardian
from services.executor.protection.housekeeper import Housekeeper, Task
from services.executor.protection.own_exits import OwnExits
from services.executor.protection.price_alarm import PriceAlarm
from services.executor.turn.control_watch import ControlWatch
from services.executor.turn.entry_runner import EntryRunner
from services.executor.turn.order_reader import OrderReader
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden, BusRefused
from shared.bus.flow.streams import Entry, Group
from shared.bus.flow.sweep import FIRST_SWEEP, SWEEP_EVERY
from shared.bus.ownership.lease import Lease
from shared.bus.state.watch import Watch
from shared.config.renames import RenamesFile
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import FileState, OrdersMode, UserPolicy
from shared.runtime.supervision import Supervisor, endless
from shared.venues.errors import VenueError

_KEY_IN_DOUBT: Final = frozenset({FileState.SHARED, FileState.GONE})
"""File states in which the key may be another user's: see `context_factory.py`."""

log = structlog.get_logger()


class UserTurn:
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
        alarm: PriceAlarm | None = None,
        controls: ControlWatch | None = None,
    ) -> None:
        """`watch`, `alarm` and `controls` are shared by the turns of a process: what is the same for all is read once.

        Without `controls` the turn follows its user's control hash itself.
        """
        self._controls = controls
        self._watch = watch or Watch(bus)
        self._alarm = alarm
        self._supervisor = supervisor or Supervisor()
        self._bus = bus
        self._faults = faults or Faults()
        self._reader = reader
        self._contexts = contexts
        self._lease = lease
        self._user = user
        self._master_seen = master_seen
        self._group = Group(bus, keys.EXECUTOR)
        self._guardians: list[Guardian] = []
        self._dispatchers = {name: Dispatcher(context) for name, context in contexts.items()}
        # Entries that arrive before the predecessor's have been taken wait here.
        self._early: list[tuple[Entry, bool]] | None = []
        self._queues: SymbolQueues[Task]
        self._runner: EntryRunner
        self._mirror: Callable[[], None] | None = None
        """Begins to read decisions about resting orders; None before the turn is ready for them, and once it reads them."""

    @property
    def contexts(self) -> Mapping[str, AccountContext]:
        """The accounts of this turn, by venue."""
        return self._contexts

    @property
    def idle(self) -> bool:
        """Whether the turn is connected and no order is under way, waiting or set aside."""
        return (
            self.connected and not self._queues.busy and not any(context.aside for context in self._contexts.values())
        )

    @property
    def connected(self) -> bool:
        """Whether the turn has begun to run what it reads."""
        return self._guardians != []

    @property
    def flat(self) -> bool:
        """Whether nothing is left to be sold for a user who leaves."""
        return all(guardian.flat for guardian in self._guardians)

    async def names_changed(self, table: RenamesFile) -> bool:
        """Return whether an asset has another name than in this turn, which takes a new turn. A venue's error is no change."""
        for name, context in self._contexts.items():
            if context.names.table != table.of(name):
                return True
            with suppress(VenueError):
                if context.renames != context.names.table.plus(await context.venue.renames()):
                    return True
        return False

    def follow(self, policy: UserPolicy) -> bool:
        """Apply changed settings from now on; return False if they take a new turn."""
        if set(policy.venues) != self._contexts.keys():
            return False
        if any(context.policy.paper != policy.paper for context in self._contexts.values()):
            return False  # another adapter, and books of the other kind of money
        if (
            any(context.policy.file in _KEY_IN_DOUBT for context in self._contexts.values())
            and policy.file not in _KEY_IN_DOUBT
        ):
            return False  # the key was not used, or only because it had been before
        for context in self._contexts.values():
            context.follow(policy)
        self._mirror_if_wanted()
        for guardian in self._guardians:
            guardian.flat = False  # judged by the former settings: an entry may have begun since
        return True

    async def serve(self) -> None:
        """Serve until the lease or Redis is lost, which is raised (in an exception group).

        Raises BusRefused if the user's stream is another type of key at the start: what a predecessor left in it comes first.
        """
        await self._group.ensure([keys.orders(self._user)])
        try:
            async with asyncio.TaskGroup() as tasks:
                self._queues = SymbolQueues(tasks, _run)
                self._runner = EntryRunner(
                    self._group, self._user, self._contexts, self._dispatchers, self._queues, tasks
                )
                for context in self._contexts.values():
                    context.account.supervisor = self._supervisor
                    tasks.create_task(endless("account reader", context.account.run()))
                    tasks.create_task(endless("announcer", self._announce(context.account, context.venue.name)))
                await self._until_known()
                for context in self._contexts.values():
                    if context.stream is not None:
                        context.stream.supervisor = self._supervisor
                        tasks.create_task(endless("private stream", context.stream.run()))
                self._reader.register(self._user, self._lease, self._deliver)
                mirrors = await self._resume_mirrors(tasks)
                exits = await self._resume_own_exits()
                await self._runner.sweep()
                early, self._early = self._early or [], None
                for entry, redelivered in early:
                    self._runner.take(entry, redelivered=redelivered)
                await self._follow_resting_orders(mirrors, tasks)
                # Only now that a predecessor's orders are in their queues: one under way would look like a difference.
                self._look_after(exits, tasks)
                self._faults.clear(FaultKind.REDIS, self._user)
                pause = FIRST_SWEEP
                while True:
                    await asyncio.sleep(pause)
                    pause = SWEEP_EVERY
                    with suppress(BusRefused, BusForbidden):  # the reader reports it; exits by price go on meanwhile
                        await self._runner.sweep()
        finally:
            for name in ("account reader", "housekeeper", "guardian", "private stream"):
                self._supervisor.worked(f"{name} of {self._user}")  # failures of this turn end with it
            for context in self._contexts.values():
                context.faults.clear_all()
                context.aside.forget()
            if self._controls is not None:
                self._controls.forget(self._user)
            await self._reader.unregister(self._user)

    async def _follow_resting_orders(self, mirrors: Mapping[str, Mirrors], tasks: asyncio.TaskGroup) -> None:
        """Read decisions about resting orders, now or as soon as the user mirrors any: for others no stream is created."""
        resting = MirrorReader(self._bus, self._user, self._contexts, mirrors)

        def begin() -> None:
            self._mirror = None
            reading = resting.run()
            work = endless("mirror reader", reading)
            try:
                tasks.create_task(work)
            except RuntimeError:  # the turn is ending
                work.close()
                reading.close()

        exists = await resting.exists()
        self._mirror = begin
        if exists:
            begin()
        else:
            self._mirror_if_wanted()

    def _mirror_if_wanted(self) -> None:
        mirrors = any(context.policy.orders is OrdersMode.MIRROR for context in self._contexts.values())
        if mirrors and self._mirror is not None:
            self._mirror()

    def _look_after(self, exits: Mapping[str, OwnExits], tasks: asyncio.TaskGroup) -> None:
        """Begin what runs beside copying: housekeeping and guarding, both woken by the user's control hash."""
        housekeeper = Housekeeper(self._bus, self._user, self._contexts, self._queues, self._supervisor)
        tasks.create_task(endless("housekeeper", housekeeper.run()))
        if (controls := self._controls) is None:
            controls = ControlWatch(self._bus)
            tasks.create_task(endless("control watch", controls.run()))
        self._guardians = [
            Guardian(context, self._watch, exits[name], self._supervisor, alarm=self._alarm, controls=controls)
            for name, context in self._contexts.items()
        ]
        for guardian in self._guardians:
            tasks.create_task(endless("guardian", guardian.run()))

        def switched() -> None:
            for guardian in self._guardians:
                guardian.wake()

        controls.follow(self._user, switched=switched, requested=housekeeper.requested.set)

    async def _until_known(self) -> None:
        """Wait until every account is ready or parked: earlier no skip could be settled, and no entry sent."""
        for context in self._contexts.values():
            await context.account.until_known()
            with suppress(VenueError):
                await context.names.learn()

    async def _resume_mirrors(self, tasks: asyncio.TaskGroup) -> Mapping[str, Mirrors]:
        """Take up the mirrored orders of a predecessor, before anything else is queued for their symbols."""
        mirrors = {
            name: Mirrors(self._bus, context, self._dispatchers[name], self._queues, tasks)
            for name, context in self._contexts.items()
        }
        for name, each in mirrors.items():
            self._contexts[name].mirrors = each
            await each.resume()
        return mirrors

    async def _resume_own_exits(self) -> Mapping[str, OwnExits]:
        """Queue the own exits that a predecessor began, before any entry: what they sold must not be sold again by one."""
        exits = {
            name: OwnExits(
                context.positions,
                context.store,
                context.names,
                context.faults,
                context.clock,
                self._dispatchers[name],
                self._queues,
            )
            for name, context in self._contexts.items()
        }
        for each in exits.values():
            await each.queue_noted()
        return exits

    async def _announce(self, account: AccountKeeper, venue: str) -> None:
        """Log in a plain line that the user trades: once the account is ready and a master has been seen."""
        while True:
            await account.until_ready()
            await self._master_seen.wait()
            log.info(f"USER: {self._user}: TRADING (Broker: {venue.upper()})", user=self._user)
            await account.until_parked()

    def _deliver(self, entry: Entry, redelivered: bool) -> None:  # the reader's callback
        if self._early is not None:
            self._early.append((entry, redelivered))
        else:
            self._runner.take(entry, redelivered=redelivered)


async def _run(task: Task) -> None:
    await task()
