"""A caller of the core that sends and resolves, as its tests see it: a process that sends one buy of 0.05 BTC on a fake venue."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.bus.order.interventions import give_verdict
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.contracts.verdict import VerdictRecord
from shared.domain.fault import Faults
from shared.domain.order import OrderState, Side
from shared.execution.following.streamed_orders import StreamedOrders
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.venues.fake import FakeAccount, FakeVenue
from shared.venues.fake_stream import FakeStream
from shared.venues.port import OrderRequest
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.executor.rig import crash, until
from tests.unit.master_strategy.values import BTC, btc, btc_price

SIZE: Final = "0.05"


FRESH_FOR: Final = 5_500
"""Ms for which the executor's entry may be sent: less than a proof of absence takes, so that it is not sent a second time."""


class Crash(CrashPoints):
    """Ends the task that reaches a step, as a cancelled process would: nothing after the step happens."""

    def __init__(self) -> None:
        super().__init__()
        self.at: CrashPoint | None = None

    def hit(self, point: CrashPoint) -> None:
        if point is self.at:
            self.at = None
            raise asyncio.CancelledError


async def _at_once() -> None:
    """Let the stream connect."""


class Caller(ABC):
    """A process that sends orders through `shared/execution`; dropping it is a crash, and nothing is tidied up."""

    user: str
    nothing_filled: OrderState
    """How an order ends of which nothing was traded."""
    before_end: OrderState
    """What the record of an order says that ended at once, before its end is recorded."""
    crash_points: dict[str, CrashPoint]

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.time = SteppedTime()
        self.faults = Faults()
        self.crash_point = Crash()
        self.began_at = 0.0
        """By the steady clock."""
        self.task: asyncio.Task[object]
        self.streamed: StreamedOrders
        self.streaming: asyncio.Task[object]
        self.missed: list[int] = []
        """One for each order whose end the stream should have shown."""
        self.asked_before = 0

    @property
    @abstractmethod
    def account(self) -> FakeAccount:
        """What the venue knows."""

    @property
    @abstractmethod
    def venue(self) -> FakeVenue:
        """The present process's connection to it."""

    @property
    @abstractmethod
    def store(self) -> OrderStore:
        """The present process's orders."""

    @abstractmethod
    def give(self, streamed: StreamedOrders) -> None:
        """Have the present process use what its account's stream shows."""

    async def open_stream(self) -> FakeStream:
        """Open the account's private stream for the present process; it shows what the venue does as it happens."""
        stream = FakeStream(self.account)
        self.streamed = StreamedOrders(self.user, lambda: self.time.steady, missed=lambda: self.missed.append(1))
        self.give(self.streamed)
        self.streaming = asyncio.create_task(stream.run(self.streamed, _at_once))
        await stream.until_connected()
        await asyncio.sleep(0)
        return stream

    @property
    def lookups(self) -> int:
        """How often the present process has asked the venue for an order."""
        return self.venue.calls["order"] + self.venue.calls["find"] + self.venue.calls["replay"] - self.asked_before

    def count_from_here(self) -> None:
        """Count the lookups from now on."""
        self.asked_before = 0
        self.asked_before = self.lookups

    @abstractmethod
    async def start(self) -> None:
        """Start the first process."""

    @abstractmethod
    async def send(self) -> str:
        """Send the order in the background; return its id."""

    @abstractmethod
    async def restart(self) -> None:
        """Crash, and have another process take the order up in the background."""

    @abstractmethod
    async def until_key_refused(self) -> None:
        """Wait until the process has stopped using a key that the venue refuses."""

    @abstractmethod
    async def key_works_again(self) -> None:
        """Go on after the venue had refused the key."""

    @abstractmethod
    async def held(self) -> Decimal:
        """Return what is booked as bought."""

    async def crash(self) -> None:
        """End the process where it stands."""
        await crash(self.task)

    async def ended(self) -> ReportMessage:
        """Wait for the order's end; return its one report."""
        async with asyncio.timeout(60):
            await self.task
        (report,) = await self.reports()
        return report

    async def reports(self) -> list[ReportMessage]:
        """Read the reports, oldest first."""
        stream = keys.reports(self.user)
        rows = await self.bus.do("XRANGE", stream, "-", "+")
        return [ReportMessage.parse(entry.fields) for entry in read_entries(stream, rows)]

    async def record(self, order_id: str) -> dict[str, str]:
        """Read the order's record."""
        return pairs(await self.bus.do("HGETALL", keys.order(self.user, order_id)))

    async def verdict(self, order_id: str, verdict: VerdictRecord) -> bool:
        """Have an operator say what became of the order."""
        attempts = (await self.record(order_id))["attempts"]
        return await give_verdict(self.bus, self.user, order_id, attempts, verdict)

    def arrive(self, order_id: str) -> None:
        """Have the venue take and show the request only now: it was held up on its way."""
        request = OrderRequest(order_id, BTC, Side.BUY, btc(SIZE), None, self.time.now)
        self.venue._accept(request)

    def fill(self) -> None:
        """Fill and end the order that rests."""
        (order,) = self.account.orders
        self.account.finish(order.venue_order_id, Decimal(1), btc_price(60_000), btc(SIZE), self.time.now)

    def reported(self, order_id: str) -> bool:
        """Whether a fault about the order stands."""
        return any(order_id in fault.subject for fault in self.faults.standing)

    async def until_state(self, order_id: str, state: OrderState) -> None:
        """Wait until the order's record is in a state."""

        async def there() -> bool:
            return (await self.record(order_id)).get("state") == state

        await until(there, f"the order is {state}")

    async def until_reported(self, order_id: str) -> None:
        """Wait until the order is reported as lost."""

        async def there() -> bool:
            return self.reported(order_id)

        await until(there, "the order is reported")

    async def until_later(self, seconds: float) -> None:
        """Wait until the process has waited so long."""
        end = self.time.steady + seconds

        async def there() -> bool:
            return self.time.steady >= end

        await until(there, f"{seconds} s are over")
