"""A master's resting order as the engine decides it for alice, and what alice's venue and books say of her copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from services.executor.turn.order_reader import StreamReader
from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.contracts.mirror import RestingOrderMessage
from shared.domain.limits.policy import OrdersMode
from shared.domain.mirror import MirrorAction, MirrorDecision, mirror_id
from shared.domain.order import Copy, Decision, Kind, OrderState, Side, order_id
from shared.domain.values.money import Price
from shared.venues.port import VenueOrder, VenueOrderStatus
from tests.integration.executor.rig import USER, Owner, Rig, until
from tests.integration.executor.turns import turn
from tests.support.examples import BTC_USD, btc, btc_price, usd

MASTERS = "OMASTR-00001-AAAAAA"


@dataclass
class MirrorRig:
    """One master's order for 0.1 BTC, of which alice's share is a half, unless said otherwise."""

    rig: Rig
    bus: Bus
    side: Side = Side.BUY
    limit: str = "59000"
    size: str = "0.1"
    base_size: str = "0.05"
    fraction: str = ""
    post_only: bool = False
    version: int = 0
    master_order_id: str = MASTERS
    watched: bool = True

    @property
    def order_id(self) -> str:
        """Alice's order."""
        return order_id(mirror_id("kraken", self.master_order_id), USER, "kraken")

    async def masters_seen(self, *, open_: bool = True) -> None:
        """Have the master's open orders seen just now, this one among them if it is `open_`."""
        key = keys.masters_resting("kraken")
        await self.bus.do("HSET", key, "as_of", self.rig.clock.now)
        if open_:
            await self.bus.do("HSET", key, self.master_order_id, "{}")
        else:
            await self.bus.do("HDEL", key, self.master_order_id)

    async def decide(self, action: MirrorAction, *, filled: str = "0", skip: str = "") -> None:
        """Write the engine's next decision."""
        self.version += 1
        rig = self.rig
        if self.watched:
            await self.masters_seen()
        entry = self.side is Side.BUY
        copy = Copy(
            btc(self.base_size) if entry and action is MirrorAction.PLACE else None,
            Decimal(self.fraction) if self.fraction else None,
            btc_price(self.limit),
            None,
        )
        decision = Decision(
            id=self.order_id,
            signal_id=mirror_id("kraken", self.master_order_id),
            user=USER,
            venue="kraken",
            symbol=BTC_USD,
            side=self.side,
            kind=Kind.ENTRY if entry else Kind.EXIT,
            copy=None if skip else copy,
            reason=skip or "scaled",
            master_equity=usd(10_000),
            user_equity=usd(5_000),
            signal_at=rig.clock.now,
            emitted_at=rig.clock.now,
            master_order_id=self.master_order_id,
        )
        wanted = MirrorDecision(
            decision,
            action,
            "kraken",
            self.master_order_id,
            self.version,
            Decimal(self.size),
            Decimal(filled),
            self.post_only,
        )
        rig.clock.now += 1
        fields = flatten(RestingOrderMessage.from_domain(wanted).fields())
        await self.bus.do("XADD", keys.resting(USER), f"{rig.clock.now}-0", *fields)

    async def place(self) -> None:
        """Have the master's order placed."""
        await self.decide(MirrorAction.PLACE)

    async def amend(self, *, limit: str = "", size: str = "", filled: str = "0") -> None:
        """Have it amended, or filled in part."""
        self.limit, self.size = limit or self.limit, size or self.size
        await self.decide(MirrorAction.AMEND, filled=filled)

    async def end(self, filled: str = "0") -> None:
        """Have it ended: filled, or cancelled."""
        self.watched = False
        await self.masters_seen(open_=False)
        await self.decide(MirrorAction.CANCEL, filled=filled)

    @property
    def legs(self) -> list[VenueOrder]:
        """All orders that alice's venue ever took."""
        return self.rig.account.orders

    @property
    def open(self) -> list[VenueOrder]:
        """Alice's orders that rest."""
        return [order for order in self.legs if order.status is VenueOrderStatus.OPEN]

    def fill(self, part: str, price: str = "") -> None:
        """Fill a part of the order that rests."""
        (leg,) = self.open
        at = Price(Decimal(price), BTC_USD) if price else leg.limit_price
        assert at is not None
        self.rig.account.fill_resting(leg.venue_order_id, btc(part), at, self.rig.clock.now)

    async def resting(self, count: int = 1, *, limit: str = "", size: str = "") -> VenueOrder:
        """Wait until so many orders rest, at these terms, and Redis knows each; return the last."""

        async def there() -> bool:
            found = self.open
            if len(found) != count:
                return False
            last = found[-1]
            fits = (not limit or last.limit_price == btc_price(limit)) and (not size or last.size == btc(size))
            return fits and bool(await self.bus.do("HGET", keys.order(USER, self.order_id), "venue_order_id"))

        await until(there, f"{count} orders rest at {limit or 'any limit'}; the venue has {self.legs}")
        return self.open[-1]

    async def held(self, size: str) -> None:
        """Wait until alice holds this much from copying."""

        async def there() -> bool:
            position = await self.rig.position()
            return (position.size.amount if position else Decimal(0)) == Decimal(size)

        await until(there, f"{size} BTC are held; it is {await self.rig.position()}")

    async def report(self) -> ReportMessage:
        """Wait for the outcome of alice's order; there must be only one."""

        async def there() -> bool:
            return any(report.order_id == self.order_id for report in await self.rig.reports())

        await until(there, "the order has an outcome")
        (report,) = [report for report in await self.rig.reports() if report.order_id == self.order_id]
        return report

    async def outcome(self) -> tuple[OrderState, str, Decimal]:
        """Return outcome, code and filled size, once nothing of it is left open anywhere."""
        report = await self.report()

        async def gone() -> bool:
            return not await self.bus.do("HEXISTS", keys.mirrored(USER, "kraken"), self.master_order_id)

        await until(gone, "the record of the mirrored order is removed")
        assert self.open == []
        return report.outcome, report.code, report.filled_size or Decimal(0)

    async def record(self) -> dict[str, str]:
        """Read the record of alice's order."""
        return pairs(await self.bus.do("HGETALL", keys.order(USER, self.order_id)))

    async def acknowledged(self) -> None:
        """Wait until every decision was taken over."""

        async def there() -> bool:
            rows = await self.bus.do("XINFO", "GROUPS", keys.resting(USER))
            facts = [pairs(row) for row in rows]
            return any(each["name"] == "executor" and not each["pending"] and not each["lag"] for each in facts)

        await until(there, "the decisions are acknowledged")

    @asynccontextmanager
    async def served(self, owner: Owner) -> AsyncIterator[StreamReader]:
        """Serve alice, who mirrors orders."""
        owner.context.policy = replace(owner.context.policy, orders=OrdersMode.MIRROR)
        async with turn(self.rig, owner) as reader:
            yield reader

    async def buy(self, owner: Owner, size: str = "0.1") -> None:
        """Have alice hold something from copying, before any mirrored order."""
        await self.rig.carry(owner, self.rig.entry(size))
        await asyncio.sleep(0)
