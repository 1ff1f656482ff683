"""Checks the sums of trades against the reports, of which they can be summed up again: they must be equal to the last digit.

It reads a user's whole report stream, page by page: for an operator who asks, never for a page or on a timer.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.bus.connection import Bus
from shared.bus.flow.streams import entry_ms
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.trade_totals import CONTENTS
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.trade_totals import Fill, TradeTotals
from shared.domain.values.money import ZERO, Quantity
from shared.domain.values.numerals import whole
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.read_results import parse_totals
from shared.ledger.performance.trades import Trade, read_trades
from shared.ledger.reading import stream_extents

_COMPARED = ("bought", "spent", "buy_fees", "sold", "received", "sell_fees", "base_fees", "trades")
"""The sums that follow from the reports alone. The cost of what was sold also depends on corrections of a position."""


@dataclass(frozen=True, slots=True)
class SumsCheck:
    """The check of one account. `unchecked` says why its sums cannot be compared; else `differences` lists what differs."""

    user: str
    venue: str
    trades: int
    unchecked: str = ""
    differences: tuple[str, ...] = ()


async def check_sums(bus: Bus, user: str, venue: str) -> SumsCheck:
    """Compare an account's sums with its reports. An order with booked parts that has not ended is a difference meanwhile.

    Raises BusUnavailable.
    """
    written = pairs(await bus.do("HGETALL", keys.totals(user, venue)))
    contents = written.get(CONTENTS, "")
    since = whole(contents)
    if since is None:
        why = (
            f"the sums contain {contents}"
            if contents
            else "the sums are not complete: no executor has served the account"
        )
        return SumsCheck(user, venue, 0, why)
    (extent,) = await stream_extents(bus, [keys.reports(user)])
    if extent.removed and (extent.first is None or extent.first[0] > since):
        return SumsCheck(user, venue, 0, "the oldest reports were removed: they are older than RETENTION_DAYS")
    trades = [each async for each in read_trades(bus, user) if each.venue == venue and entry_ms(each.entry_id) >= since]
    sums, unreadable = parse_totals([part for pair in written.items() for part in pair])
    expected = sum_trades(trades)
    found = [f"{name}: {why}" for name, why in unreadable.items()]
    for symbol in sorted({*sums, *expected}, key=str):
        found += differences(sums.get(symbol) or TradeTotals(symbol), expected.get(symbol) or TradeTotals(symbol))
    return SumsCheck(user, venue, len(trades), "", tuple(found))


def differences(written: TradeTotals, expected: TradeTotals) -> list[str]:
    """Describe where written sums differ from those of the reports."""
    return [
        f"{written.symbol}: {name} is {getattr(written, name)}, the reports say {getattr(expected, name)}"
        for name in _COMPARED
        if getattr(written, name) != getattr(expected, name)
    ]


def sum_trades(trades: list[Trade]) -> dict[Symbol, TradeTotals]:
    """Sum up trades, oldest first, by symbol, each against the book of its master that the trades before it left."""
    sums: dict[Symbol, TradeTotals] = {}
    held: dict[tuple[Symbol, str], Position] = {}
    for trade in trades:
        symbol, book = trade.symbol, (trade.symbol, trade.master)
        before = held.get(book) or Position.flat(symbol, trade.at)
        after = position_after(before, trade)
        fill = Fill(trade.side, trade.size.amount, trade.cost.amount, trade.fee.amount, trade.base_fee.amount)
        sums[symbol] = (sums.get(symbol) or TradeTotals(symbol)).after(fill, before, after, trade.at).ended()
        held[book] = after
    return sums


def position_after(before: Position, trade: Trade) -> Position:
    """Return the position after a trade, by the same rule as the executor books it."""
    if trade.side is Side.BUY:
        return before.bought(Quantity(max(trade.gained.amount, ZERO), trade.size.asset), trade.paid, trade.at)
    return before.sold(trade.size + trade.base_fee, trade.at)
