"""One turn: what a notifier does while it holds the lease.

It begins from what Redis holds, and ends when the lease or Redis is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from services.notifier.causes.reader import START_MS, CauseReader, Reading
from services.notifier.delivery.courier import Courier
from services.notifier.delivery.outbox import Outbox
from services.notifier.delivery.target import Target
from services.notifier.delivery.trial import Trial
from services.notifier.rules.incidents import Incidents
from services.notifier.rules.wording import Words
from services.notifier.store import NoticeStore
from services.notifier.summary.daily import DailySummary
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.ownership.lease import Lease
from shared.bus.state.heartbeat import Heartbeat
from shared.config.notifications import NotifySettings
from shared.domain.limits.policy import UserPolicy
from shared.runtime.supervision import Supervisor

_PAUSE = 5.0
"""Seconds until a part that has failed unexpectedly begins again; the others go on meanwhile."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Turn:
    """The parts that all turns of a process share. `clock` returns epoch ms."""

    bus: Bus
    settings: NotifySettings
    words: Words
    targets: Sequence[Target]
    users: Callable[[], Mapping[str, UserPolicy]]
    heartbeat: Heartbeat
    supervisor: Supervisor
    clock: Callable[[], int]
    start_ms: int = START_MS

    async def serve(self, lease: Lease) -> None:
        """Send messages until cancelled. Raises BusError."""
        store = NoticeStore(self.bus, lease)
        labels = ", ".join(target.label for target in self.targets)
        await store.write(expected={"since": str(self.clock()), "targets": labels})
        kept = await store.notices()
        outbox = Outbox(store, [target.name for target in self.targets])
        await outbox.load(await store.outbox(), kept.get("given_up", ""))
        incidents = Incidents(self.settings, self.words, kept)
        reader = CauseReader(self.bus, self.settings, self.users, self.clock, self.start_ms)
        summary = DailySummary(self.bus, self.settings, self.words, self.users, incidents, outbox, self.clock, kept)

        async def use(reading: Reading) -> None:
            outcome = incidents.step(self.clock(), reading.causes, reading.unread)
            if outcome.fields or outcome.messages:
                await outbox.add(outcome.messages, outcome.fields)

        work: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("reading causes", lambda: reader.follow(use)),
            ("reading unresolved orders", reader.follow_orders),
            ("daily summary", summary.run),
            ("test messages", Trial(store, self.targets, self.words).run),
            *(
                (f"sending to {each.label}", Courier(each, outbox, self.heartbeat, self.clock).run)
                for each in self.targets
            ),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for name, run in work:
                    group.create_task(self._keep_up(name, run), name=name)
        except* BusError as errors:
            raise _first(errors) from None

    async def _keep_up(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part for ever; one that fails unexpectedly stops no other. Raises BusError, which ends the turn."""
        while True:
            self.supervisor.began(name)
            try:
                await run()
            except BusError:
                raise
            except Exception as error:
                if self.supervisor.failed(name, error):
                    log.exception("a part of the notifier has failed and begins again", task=name)
            await asyncio.sleep(_PAUSE)


def _first(errors: BaseExceptionGroup[BusError]) -> BusError:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, BusError):
        raise found
    return found
