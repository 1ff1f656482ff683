"""How an order ends: its outcome, its report and the position it changed, in one durable step.

An outcome is booked from the venue's own record of fills, never from what was asked for.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

import structlog

from services.executor.desk import Desk
from services.executor.record import Tally, arrived, quote_fee
from shared.bus.orders import PositionChange
from shared.config.boundary import Step
from shared.contracts.messages import ReportMessage
from shared.contracts.records import write_position
from shared.domain.account import Position
from shared.domain.money import plain
from shared.domain.order import Decision, OrderState, Side
from shared.venues.port import VenueOrder

_REPORT: Final = "report"

log = structlog.get_logger()


async def position_after(desk: Desk, order: VenueOrder) -> PositionChange | None:
    """Work out what a leg made of the position; None if nothing filled."""
    if order.filled.amount == 0:
        return None
    symbol = order.symbol
    now = desk.clock()
    held = await desk.records.position(desk.user, desk.venue.name, symbol) or Position.flat(symbol, now)
    if order.side is Side.BUY:
        held = held.bought(arrived(order), order.cost + quote_fee(order), now)
    else:
        held = held.sold(order.filled, now)
    return PositionChange(str(symbol), write_position(held) if held.size.amount > 0 else None)


async def settle(
    desk: Desk,
    decision: Decision,
    entry_id: str,
    outcome: OrderState,
    reason: str,
    *,
    tally: Tally | None = None,
    position: PositionChange | None = None,
    venue_order_id: str = "",
    sent_at: int | None = None,
    accepted_at: int | None = None,
) -> None:
    """End a decision. Harmless to repeat: the first end stands."""
    now = desk.clock()
    total = tally or Tally.nothing(decision.symbol)
    report = ReportMessage.model_construct(
        id=str(uuid5(UUID(decision.id), _REPORT)),
        order_id=decision.id,
        signal_id=decision.signal_id,
        user=desk.user,
        venue=decision.venue,
        symbol=decision.symbol,
        side=decision.side,
        kind=decision.kind,
        outcome=outcome,
        reason=reason,
        venue_order_id=venue_order_id,
        filled_size=total.filled.amount,
        average_price=total.average_price.shown() if total.average_price else None,
        fee=total.fee.amount,
        signal_at=decision.signal_at,
        sent_at=sent_at,
        accepted_at=accepted_at,
        settled_at=now,
    )
    fields = {"reason": reason, "settled_at": str(now), "venue_order_id": venue_order_id, **total.fields()}
    desk.boundary.passed(Step.EXECUTOR_BEFORE_ACK)
    new = await desk.store.settle(report, entry_id=entry_id, fields=fields, position=position)
    if not new:
        return
    if total.filled.amount:
        desk.account.refresh_soon()
    log.info(
        "order settled",
        signal_id=decision.signal_id,
        order_id=decision.id,
        user=desk.user,
        symbol=str(decision.symbol),
        side=decision.side,
        outcome=outcome,
        filled=plain(total.filled.amount),
        reason=reason,
    )
