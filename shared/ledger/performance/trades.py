"""A user's trades: the reports of orders that filled, with exact amounts.

One trade is one order: all legs of an exit, or all parts of a mirrored order, are one report. It must never be computed from what
was requested, only from what the venue filled.

`cost` and the two fees are exact in reports that state `cost`. Reports of former versions have only a price rounded to 8
decimals; their cost is size x price, and `exact` is False.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.market_records import read_price
from shared.contracts.messages import ReportMessage
from shared.domain.order import Kind, OrderState, Side
from shared.domain.position import MAIN
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.ledger.reading import PAGE, entries


@dataclass(frozen=True, slots=True)
class Trade:
    """An order that filled. Instants in epoch ms; None where the report does not state them."""

    user: str
    venue: str
    symbol: Symbol
    side: Side
    kind: Kind
    size: Quantity
    """What was bought or sold, in base, before a fee in base."""
    cost: Money
    """What was paid or received for it, in quote, before fees."""
    fee: Money
    """The fee that was taken in quote."""
    base_fee: Quantity
    """The fee that was taken in base."""
    fee_value: Money
    """Both fees in quote, the fee in base valued at the fill price."""
    at: int
    """When the order was settled."""
    signal_id: str
    """Empty for the user's own exit."""
    order_id: str
    code: str
    outcome: OrderState
    reason: str
    venue_order_id: str
    entry_id: str
    """The id of the report's entry."""
    signal_at: int | None
    sent_at: int | None
    accepted_at: int | None
    exact: bool = True
    market: Price | None = None
    """The price that was published when the venue had taken the order; None if the report has none."""
    market_at: int | None = None
    """The instant as of which that price was published."""
    master: str = MAIN
    """The named master whose book it changed; empty for the main book."""

    @property
    def price(self) -> Price:
        """Return the average price of its fills, not rounded for people: `shown()` does that."""
        return Price(self.cost.amount / self.size.amount, self.symbol)

    @property
    def paid(self) -> Money:
        """Return what the trade changed the cash by, positive if cash was spent: cost plus fee, or fee less proceeds."""
        return self.fee + self.cost if self.side is Side.BUY else self.fee - self.cost

    @property
    def gained(self) -> Quantity:
        """Return what the trade changed the coins by: negative for a sale; a fee in base is taken out."""
        sign = 1 if self.side is Side.BUY else -1
        return Quantity(sign * self.size.amount - self.base_fee.amount, self.size.asset)


def trade_of(entry: Entry) -> Trade | None:
    """Parse the trade that a report states; None if the order filled nothing. Raises MalformedMessageError."""
    report = ReportMessage.parse(entry.fields)
    size = report.filled_size or ZERO
    if size <= 0:
        return None
    base, quote = report.symbol.base, report.symbol.quote
    exact = report.cost is not None
    market, market_at = _market_of(report)
    cost = size * (report.average_price or ZERO) if report.cost is None else report.cost
    value = report.fee or ZERO
    in_base = report.fee_base or ZERO
    fee = value if report.fee_quote is None else report.fee_quote
    return Trade(
        user=report.user,
        venue=report.venue,
        symbol=report.symbol,
        side=report.side,
        kind=report.kind,
        size=Quantity(size, base),
        cost=Money(cost, quote),
        fee=Money(fee, quote),
        base_fee=Quantity(in_base, base),
        fee_value=Money(value, quote),
        at=report.settled_at,
        signal_id=report.signal_id,
        order_id=report.order_id,
        code=report.code,
        outcome=report.outcome,
        reason=report.reason,
        venue_order_id=report.venue_order_id,
        entry_id=entry.id,
        signal_at=report.signal_at,
        sent_at=report.sent_at,
        accepted_at=report.accepted_at,
        exact=exact,
        market=market,
        market_at=market_at,
        master=report.master,
    )


async def read_trades(bus: Bus, user: str, after: str = "") -> AsyncIterator[Trade]:
    """Iterate over a user's trades after the entry id `after`, oldest first, page by page; unreadable reports are left out.

    It reads the whole stream: for one user at a time, never per request for all of them. Raises BusUnavailable.
    """
    async for entry in entries(bus, keys.reports(user), after):
        trade = _readable(entry)
        if trade is not None:
            yield trade


async def latest_trades(bus: Bus, users: Sequence[str], count: int) -> Mapping[str, list[Trade]]:
    """Read the trades among the newest `count` reports of each user, newest first, in one round trip. Raises BusUnavailable."""
    count = min(count, PAGE)
    answers = await bus.do_all([("XREVRANGE", keys.reports(user), "+", "-", "COUNT", count) for user in users])
    found = {}
    for user, rows in zip(users, answers, strict=True):
        page = read_entries(keys.reports(user), rows if isinstance(rows, list) else [])
        found[user] = [trade for entry in page if (trade := _readable(entry)) is not None]
    return found


def _market_of(report: ReportMessage) -> tuple[Price, int] | tuple[None, None]:
    """Return the published price of a report; an unreadable one is none: it is no reason to lose the trade."""
    try:
        return read_price(report.symbol, report.market) if report.market else (None, None)
    except MalformedMessageError:
        return None, None


def _readable(entry: Entry) -> Trade | None:
    try:
        return trade_of(entry)
    except (MalformedMessageError, ArithmeticError):
        return None
