"""What a resting order of the master means for a user who mirrors it: the same judgement as for its fill, at the order's own
limit.

Pure. A purchase never gets a limit above the master's; a sale is the share of what the user holds. An order that was decided
when it was placed is amended and ended without another judgement: what may stop it then is the executor's to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.contracts.mirror import RestingOrderMessage
from shared.domain.copying.decision_plan import DecisionPlan, Judgement
from shared.domain.copying.follower import Follower
from shared.domain.mirror import ACTION_OF, MasterOrder, MirrorAction, MirrorDecision
from shared.domain.order import Copy, Kind
from shared.domain.signal import Signal, Source
from shared.domain.values.money import ZERO, Price, Quantity


def as_signal(order: MasterOrder) -> Signal:
    """Return the signal of an order that fills in full, at its limit, when it is seen: what a user's size is judged by."""
    nothing = Quantity(ZERO, order.symbol.base)
    return Signal(
        id=order.id,
        venue=order.venue,
        symbol=order.symbol,
        side=order.side,
        kind=order.kind,
        base_size=order.size,
        quote_size=order.size * order.limit_price,
        price=order.limit_price,
        fraction=order.fraction,
        position_before=nothing,
        position_after=nothing,
        master_equity=order.master_equity,
        master_order_id=order.master_order_id,
        source=Source.ACCOUNT,
        strategy="",
        stop_loss=None,
        take_profit=None,
        filled_at=order.seen_at,
        emitted_at=order.emitted_at,
        master=order.master,
        equity_reason=order.equity_reason,
    )


def placed_decision(
    order: MasterOrder, plan: DecisionPlan, follower: Follower, judgement: Judgement, now: int
) -> MirrorDecision:
    """Return the decision to place a user's copy, or to skip it."""
    decision = plan.decision(follower, judgement, now)
    if decision.copy is not None:
        limit = Price(order.limit_price.amount, decision.symbol)
        if order.kind is Kind.ENTRY and decision.copy.limit_price is not None:
            limit = min(limit, decision.copy.limit_price, key=lambda each: each.amount)
        copy = Copy(decision.copy.base_size, decision.copy.fraction, limit, None)
        decision = replace(decision, copy=copy)
    return MirrorDecision(
        decision=decision,
        action=MirrorAction.PLACE,
        master_venue=order.venue,
        master_order_id=order.master_order_id,
        version=order.version,
        master_size=order.size.amount,
        master_filled=order.filled.amount,
        post_only=order.post_only,
    )


def changed_decision(order: MasterOrder, placed: Mapping[str, str], now: int) -> MirrorDecision | None:
    """Return the decision to amend or end what an earlier one placed; None if that was a skip. Raises MalformedMessageError."""
    before = RestingOrderMessage.parse(placed).to_domain()
    if before.decision.copy is None:
        return None
    limit = Price(order.limit_price.amount, before.decision.symbol)
    what = "ended" if ACTION_OF[order.action] is MirrorAction.CANCEL else "was changed"
    decision = replace(
        before.decision,
        copy=Copy(None, before.decision.copy.fraction, limit, None),
        reason=f"the master's order {what}: {order.filled} of {order.size} at {order.limit_price} filled",
        signal_at=order.seen_at,
        emitted_at=now,
    )
    return replace(
        before,
        decision=decision,
        action=ACTION_OF[order.action],
        version=order.version,
        master_size=order.size.amount,
        master_filled=order.filled.amount,
    )
