"""From the venue's record of an order to the signal that is still missing. Pure; must never use what an order requested.

The sizes of a signal are what was executed, before any fee: users copy that, and pay their own fees. The master's position is
what arrived, after a fee that was taken in the coin itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Final

from shared.domain.account import MASTER
from shared.domain.order import Kind, Side
from shared.domain.signal import Signal, Source, signal_id
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.totals import paid_fee
from shared.venues.port import VenueOrder

_LEGIBLE: Final = Context(prec=12)
"""Digits of an average price and of a fraction: finer than any tick and lot, and still readable in the stream."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """How much of an order was emitted or passed over: base executed, its cost, and the fee that was taken in quote."""

    size: Quantity
    cost: Money
    fee: Decimal = ZERO


def missing_signal(
    order: VenueOrder,
    emitted: Emitted,
    before: Quantity,
    *,
    venue: str,
    equity: Money | None,
    equity_reason: str = "",
    source: Source,
    strategy: str,
    now: int,
    apart: Quantity | None = None,
    owner: str = MASTER,
) -> Signal | None:
    """Return the signal for what an order has filled beyond what was emitted; None if nothing is missing.

    `before` is the master's position before this fill, `equity` the last one known before it; None if it was not fully known, for
    `equity_reason`. With `apart` (what else the account holds of the coin) a sale is a fraction of both together.
    """
    size, cost = order.filled - emitted.size, order.cost - emitted.cost
    if size.amount <= 0 or cost.amount <= 0:
        return None
    kind = Kind.ENTRY if order.side is Side.BUY else Kind.EXIT
    moved = net_size(order, size)
    if kind is Kind.ENTRY:
        after, fraction = before + moved, None
    else:
        whole = before if apart is None else before + apart
        whole = whole if whole.amount > 0 else moved
        fraction = min(_LEGIBLE.divide(moved.amount, whole.amount), ONE)
        if apart is None:
            before = whole
            after = Quantity(max(before.amount - moved.amount, ZERO), before.asset)
        else:
            after = before.scaled(ONE - fraction)
    return Signal(
        id=signal_id(venue, order.venue_order_id, order.filled, owner),
        venue=venue,
        symbol=order.symbol,
        side=order.side,
        kind=kind,
        base_size=size,
        quote_size=cost,
        price=average_price(size, cost, order.symbol),
        fraction=fraction,
        position_before=before,
        position_after=after,
        master_equity=equity,
        master_order_id=order.venue_order_id,
        source=source,
        strategy=strategy,
        stop_loss=None,
        take_profit=None,
        filled_at=now if order.closed_at is None else order.closed_at,
        emitted_at=now,
        equity_reason=equity_reason,
        owner=owner,
        fee=Money(max(paid_fee(order).amount - emitted.fee, ZERO), order.symbol.quote),
    )


def of_the_whole(signal: Signal) -> Signal:
    """Return an exit as one of the whole position: nothing that could be sold is left."""
    return replace(signal, fraction=ONE, position_after=signal.position_after.scaled(ZERO))


def average_price(size: Quantity, cost: Money, symbol: Symbol) -> Price:
    """Return the average price of a fill, to as many digits as a person reads."""
    return Price(_LEGIBLE.divide(cost.amount, size.amount), symbol)


def net_size(order: VenueOrder, size: Quantity) -> Quantity:
    """Return what `size` of an order's fill moves in the account: a fee in the coin reduces a buy and adds to a sale."""
    if order.fee_asset != order.symbol.base or order.filled.amount == 0:
        return size
    fee = order.fee * size.amount / order.filled.amount
    moved = size.amount - fee if order.side is Side.BUY else size.amount + fee
    return Quantity(max(moved, ZERO), size.asset)
