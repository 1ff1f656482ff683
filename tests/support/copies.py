"""Writes what a running Shoal would have written: signals, decisions, reports, accounts; through the wire's own messages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.domain.account import Account, AccountState
from shared.domain.order import Kind, OrderState, Side, order_id
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol

BTC = Symbol("BTC", "USD")


@dataclass(frozen=True, slots=True)
class EmittedSignal:
    """A signal that was emitted: its entry id and its id."""

    entry_id: str
    id: str


def now_ms() -> int:
    """Return this clock in epoch ms."""
    return time.time_ns() // 1_000_000


class Copies:
    """Plays master, engine and executor as far as Redis can tell. Everything it writes is `age` seconds old, one signal a ms."""

    def __init__(self, bus: Bus, age: float = 60.0, venue: str = "kraken") -> None:
        self.bus = bus
        self.venue = venue
        self._at = now_ms() - int(age * 1000)

    async def follow(self, *users: str, start: str = "0-0", until: str = "") -> None:
        """Record users as followed from a signal's entry on."""
        for user in users:
            await self.bus.do("HSET", keys.following(user), "from", start, "until", until)

    async def signal(self) -> EmittedSignal:
        """Emit an entry signal."""
        self._at += 1
        message = SignalMessage(
            id=str(uuid4()),
            venue=self.venue,
            symbol=BTC,
            side=Side.BUY,
            kind=Kind.ENTRY,
            base_size=Decimal("0.5"),
            price=Decimal(60_000),
            master_equity=Decimal(100_000),
            filled_at=self._at,
            emitted_at=self._at,
        )
        entry_id = f"{self._at}-0"
        await self.bus.do("XADD", keys.SIGNALS, entry_id, *flatten(message.fields()))
        return EmittedSignal(entry_id, message.id)

    async def decide(self, told: EmittedSignal, user: str, *, copy: bool = True, reason: str = "scaled") -> str:
        """Write the engine's decision and answer the order's id."""
        order = order_id(told.id, user, self.venue)
        message = OrderMessage(
            id=order,
            signal_id=told.id,
            decision="copy" if copy else "skip",
            user=user,
            venue=self.venue,
            symbol=BTC,
            side=Side.BUY,
            kind=Kind.ENTRY,
            base_size=Decimal("0.1") if copy else None,
            limit_price=Decimal(60_300) if copy else None,
            not_after=self._at + 30_000 if copy else None,
            reason=reason,
            signal_at=self._at,
            emitted_at=self._at,
        )
        await self.bus.do("XADD", keys.orders(user), told.entry_id, *flatten(message.fields()))
        return order

    async def report(
        self,
        told: EmittedSignal | None,
        user: str,
        outcome: OrderState = OrderState.FILLED,
        *,
        order: str = "",
        reason: str = "",
        filled: str = "0.1",
    ) -> str:
        """Write the executor's report on a signal (None: an exit of the user's own) and answer the order's id."""
        traded = outcome in {OrderState.FILLED, OrderState.PARTIAL}
        order = order or (order_id(told.id, user, self.venue) if told else str(uuid4()))
        message = ReportMessage(
            id=str(uuid4()),
            order_id=order,
            signal_id=told.id if told else "",
            user=user,
            venue=self.venue,
            symbol=BTC,
            side=Side.BUY if told else Side.SELL,
            kind=Kind.ENTRY if told else Kind.EXIT,
            outcome=outcome,
            reason=reason,
            filled_size=Decimal(filled) if traded else None,
            average_price=Decimal(60_010) if traded else None,
            signal_at=self._at,
            accepted_at=self._at + 120 if traded else None,
            settled_at=self._at + 200,
        )
        await self.bus.do("XADD", keys.reports(user), "*", *flatten(message.fields()))
        return order

    async def settled(self, users: Sequence[str], count: int = 1) -> list[EmittedSignal]:
        """Emit signals and carry each to all users, filled."""
        told = [await self.signal() for _ in range(count)]
        for each in told:
            for user in users:
                await self.decide(each, user)
                await self.report(each, user)
        return told

    async def account(self, user: str, state: AccountState, *, equity: str = "5000", reason: str = "") -> None:
        """Record an account."""
        amount = Money(Decimal(equity), "USD")
        await Records(self.bus).write_account(
            Account(user, self.venue, state, reason, amount, amount, Decimal("0.004"), now_ms())
        )

    async def serve(self, *users: str) -> None:
        """Return each user's lease to an executor."""
        for user in users:
            await self.bus.do("SET", keys.lease(user), f"executor-of-{user}")
