"""What the tests of commands about money write to Redis: trades as the executor leaves them, and the master's beside them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.contracts.trade_totals import CONTENTS, write_totals
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.order import Kind, OrderState, Side
from shared.domain.position import Position
from shared.domain.trade_totals import Fill, TradeTotals
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.copies import now_ms
from tests.support.examples import an_entry, an_id

BTC: Final = Symbol("BTC", "USD")


@dataclass(slots=True)
class Book:
    """Writes the trades of one account, one after the other."""

    bus: Bus
    user: str
    venue: str = "kraken"
    symbol: Symbol = BTC
    position: Position | None = None
    sums: TradeTotals | None = None
    count: int = 0

    async def trade(self, side: Side, size: str, cost: str, fee: str = "0", *, signal_id: str = "") -> str:
        """Write a trade: report, position, sums; return the order's id."""
        at = now_ms()
        self.count += 1
        base, quote = self.symbol.base, self.symbol.quote
        before = self.position or Position.flat(self.symbol, at)
        amount, paid = Quantity(Decimal(size), base), Money(Decimal(cost) + Decimal(fee), quote)
        after = before.bought(amount, paid, at) if side is Side.BUY else before.sold(amount, at)
        fill = Fill(side, Decimal(size), Decimal(cost), Decimal(fee), Decimal(0))
        self.sums = (self.sums or TradeTotals(self.symbol)).after(fill, before, after, at).ended()
        self.position = after
        await Records(self.bus).write_position(self.user, self.venue, after)
        totals = keys.totals(self.user, self.venue)
        await self.bus.do("HSET", totals, str(self.symbol), write_totals(self.sums), CONTENTS, "0")
        return await self.report(side, OrderState.FILLED, size=size, cost=cost, fee=fee, signal_id=signal_id)

    async def report(
        self, side: Side, outcome: OrderState, *, size: str = "0", cost: str = "0", fee: str = "0", signal_id: str = "",
        reason: str = "", entry_id: str = "*",
    ) -> str:  # fmt: skip
        """Write a report alone."""
        at = now_ms()
        order = an_id(f"{self.user} {self.venue} {self.symbol} {self.count} {outcome}")
        filled = Decimal(size)
        report = ReportMessage.of(
            id=an_id(f"report {order}"), order_id=order, signal_id=signal_id, user=self.user, venue=self.venue,
            symbol=self.symbol, side=side, kind=Kind.ENTRY if side is Side.BUY else Kind.EXIT, outcome=outcome, reason=reason,
            filled_size=filled, average_price=Decimal(cost) / filled if filled else None, fee=Decimal(fee),
            cost=Decimal(cost) if filled else None, signal_at=at - 300, sent_at=at - 200, accepted_at=at - 150, settled_at=at,
        )  # fmt: skip
        await self.bus.do("XADD", keys.reports(self.user), entry_id, *flatten(report.fields()))
        return order


async def account(bus: Bus, user: str, equity: str, venue: str = "kraken", reason: str = "") -> None:
    """Write an account's record."""
    amount = Money(Decimal(equity), "USD")
    state = AccountState.PARKED if reason else AccountState.READY
    await Records(bus).write_account(Account(user, venue, state, reason, amount, amount, Decimal("0.004"), now_ms()))


async def publish(bus: Bus, amount: str, symbol: Symbol = BTC, venue: str = "kraken") -> None:
    """Publish a price."""
    await Records(bus).write_prices(venue, [Price(Decimal(amount), symbol)], now_ms())


async def emit(bus: Bus, name: str = "one") -> str:
    """Emit a signal of the master's purchase at 60,000; return its id."""
    at = now_ms()
    signal = an_entry(name, filled_at=at, emitted_at=at)
    await SignalLog(bus).emit(signal)
    return signal.id


async def alice_and_master(bus: Bus) -> None:
    """Alice bought 0.1 BTC for 6,006 USD and 24 fee, sold 0.04 for 2,480 and 10 fee; the master holds 0.2. BTC is at 63,000."""
    signal_id = await emit(bus)
    alice = Book(bus, "alice")
    await alice.trade(Side.BUY, "0.1", "6006", "24", signal_id=signal_id)
    await alice.trade(Side.SELL, "0.04", "2480", "10")
    await Book(bus, MASTER).trade(Side.BUY, "0.2", "12000", "48")
    await account(bus, "alice", "5100.5")
    await account(bus, MASTER, "20000")
    await publish(bus, "63000")
