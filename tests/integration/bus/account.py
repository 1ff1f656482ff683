"""Alice's account as the tests of orders handle it: her orders under one lease, reports about them, entries of her stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from shared.bus.connection import Bus
from shared.bus.flow.streams import Group
from shared.bus.order.orders import OrderStore
from shared.bus.order.send_permit import SendPermit
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.domain.order import TERMINAL, Kind, OrderState, Side
from tests.support.examples import BTC_USD, NOW, an_id


@dataclass
class Account:
    """Alice's orders under one lease."""

    bus: Bus
    lease: Lease
    store: OrderStore = field(init=False)
    nonces: NonceCounter = field(init=False)

    def __post_init__(self) -> None:
        self.store = OrderStore(self.bus, self.lease, "alice", "kraken")
        self.nonces = NonceCounter(self.bus, self.lease, "alice", "fp", floor=0)

    async def put(self, state: OrderState | None) -> str:
        """Make the record of an order that stands so; answers its id."""
        order_id = str(uuid4())
        if state is not None:
            await self.bus.do("HSET", keys.order("alice", order_id), "state", state)
        return order_id

    async def state(self, order_id: str) -> str | None:
        """Read where an order stands."""
        found: str | None = await self.bus.do("HGET", keys.order("alice", order_id), "state")
        return found

    async def reports(self, order_id: str) -> list[dict[str, str]]:
        """Read the reports of an order."""
        rows = [pairs(row[1]) for row in await self.bus.do("XRANGE", keys.reports("alice"), "-", "+")]
        return [row for row in rows if row["order_id"] == order_id]

    async def try_step(self, order_id: str, target: OrderState) -> bool:
        """Take a step by the call that is meant for it; answers whether it was taken."""
        if target in TERMINAL:
            return await self.store.settle(a_report(order_id, target), entry_id="", fields={})
        if target is OrderState.SENDING:
            return isinstance(await self.store.begin(order_id, self.nonces, {}), SendPermit)
        try:
            await self.store.move(order_id, target, {})
        except ValueError:
            return False
        return True


def a_report(order_id: str, outcome: OrderState = OrderState.FILLED) -> ReportMessage:
    """Return the report of an order."""
    return ReportMessage.model_construct(
        id=an_id(f"report of {order_id}"),
        order_id=order_id,
        signal_id=an_id("signal"),
        user="alice",
        venue="kraken",
        symbol=BTC_USD,
        side=Side.BUY,
        kind=Kind.ENTRY,
        outcome=outcome,
        reason="because",
        settled_at=NOW,
    )


async def a_delivered_entry(bus: Bus) -> str:
    """Put an entry into alice's order stream and have it delivered; answers its id."""
    group = Group(bus, keys.EXECUTOR)
    await group.ensure([keys.orders("alice")])
    entry_id: str = await bus.do("XADD", keys.orders("alice"), "*", "v", "1")
    await group.read_new([keys.orders("alice")], 10, 1)
    return entry_id


async def pending(bus: Bus) -> int:
    """Count what is delivered and not acknowledged."""
    rows = await bus.do("XPENDING", keys.orders("alice"), keys.EXECUTOR)
    return int(rows[0])
