"""The rows of the `executions` channel. The first row of an order carries all of it; later ones carry what changed.

The fields and their order are those of recorded messages of the live venue (KRAKEN.md, K30); `filled` and `status` rows, which no
recording shows, are built like the others. Sums are the order's own at the moment of the event.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.paper_exchange.core.events import Change
from services.paper_exchange.core.order import LIMIT_PRICED, TRIGGERED, Order, Status, Trade
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.wire import Shape, micros

REASONS: Final = {"Cancel all orders after timeout": "CancelAllOrdersAfter Timeout"}
"""Kraken's words where the core has its own."""
PLACES: Final = Decimal("0.0000000001")


class ExecutionRows:
    """Builds the rows of one venue."""

    def __init__(self, context: StreamContext) -> None:
        self._context = context

    def opening(self, order: Order, exec_type: str) -> Shape:
        """Return a row that carries the whole order: its first one, or one of a snapshot."""
        ticket = order.ticket
        row: Shape = {"order_id": order.id, "symbol": order.instrument.symbol}
        if ticket.size_in_quote:
            row["cash_order_qty"] = ticket.size
        row |= {"order_qty": order.size, "cum_cost": order.cost}
        if order.filled:
            row |= {"cum_qty": order.filled, "avg_price": _average(order)}
        row |= {
            "time_in_force": str(ticket.time_in_force),
            "exec_type": exec_type,
            "side": str(order.side),
            "order_type": str(ticket.kind),
            **_own_id(order),
        }
        if ticket.kind in LIMIT_PRICED and order.limit is not None:
            row |= {"limit_price_type": "static", "limit_price": order.limit}
        row |= _triggers(order) if ticket.kind in TRIGGERED else {"stop_price": Decimal(0)}
        if ticket.display is not None:
            row["display_qty"] = ticket.display
        for name, instant in (("effective_time", ticket.starts_at), ("expire_time", ticket.expires_at)):
            if instant:
                row[name] = micros(instant)
        if ticket.leverage:
            row["margin"] = True
        row |= _post_only(order) | {
            "order_status": _status(order) if exec_type != "pending_new" else "pending_new",
            "fee_usd_equiv": self._fee_usd(order),
            "fee_ccy_pref": "fcib" if ticket.fee_in_base else "fciq",
            "timestamp": micros(order.accepted_at),
        }
        return row

    def entered(self, order: Order) -> Shape:
        """Return the row of an order that is in the market now."""
        at = max(order.accepted_at, order.ticket.starts_at)
        row: Shape = {"timestamp": micros(at), "order_status": "new", "exec_type": "new", **_own_id(order)}
        return row | _post_only(order) | {"order_id": order.id}

    def amended(self, order: Order) -> Shape:
        """Return the row of an amendment."""
        row: Shape = {
            "timestamp": micros(order.amended_at),
            "exec_type": "amended",
            "order_status": _status(order),
            "cum_qty": order.filled,
            "reason": "User requested",
            "amended": True,
            "order_qty": order.size,
        }
        if order.limit is not None:
            row |= {"limit_price": order.limit, "limit_price_type": "static"}
        if order.ticket.kind in TRIGGERED and not order.triggered:
            row |= _triggers(order)
        return row | _own_id(order) | {"order_id": order.id}

    def triggered(self, order: Order, now: float) -> Shape:
        """Return the row of a stop that the price has reached."""
        return {
            "timestamp": micros(now),
            "order_status": "triggered",
            "exec_type": "status",
            **_own_id(order),
            **_triggers(order),
            "order_id": order.id,
        }

    def ended(self, order: Order) -> Shape:
        """Return the last row of an order: its sums, and why it ended if it was not filled."""
        word = "filled" if order.status is Status.CLOSED else str(order.status)
        row: Shape = {
            "timestamp": micros(order.closed_at),
            "order_status": word,
            "exec_type": word,
            "cum_qty": order.filled,
            "cum_cost": order.cost,
            "fee_usd_equiv": self._fee_usd(order),
            "avg_price": _average(order),
            **_own_id(order),
            **_post_only(order),
        }
        if word != "filled":
            reason = REASONS.get(order.reason, order.reason)
            row |= {"cancel_reason": reason, "reason": reason}
        return row | {"order_id": order.id}

    def trade(self, trade: Trade, *, filled: bool) -> Shape:
        """Return the row of a fill; `filled` is whether it says that the order is filled."""
        order = trade.order
        row: Shape = {
            "order_id": order.id,
            **_own_id(order),
            "exec_id": trade.id,
            "exec_type": "trade",
            "trade_id": trade.number,
            "symbol": order.instrument.symbol,
            "side": str(order.side),
            "last_qty": trade.size,
            "last_price": trade.price,
            "liquidity_ind": "m" if trade.maker else "t",
            "cost": trade.cost,
        }
        if order.ticket.leverage:
            row["margin"] = True
        return row | {
            "order_status": "filled" if filled else "partially_filled",
            "order_type": str(order.ticket.kind),
            "timestamp": micros(trade.at),
            "fee_usd_equiv": self._usd(trade.fee_asset, trade.fee),
            "fees": [{"asset": trade.fee_asset, "qty": trade.fee}],
        }

    def changed(self, order: Order, change: Change) -> Shape:
        """Return the row of any other change, as it is sent when all transitions are."""
        if change is Change.ACCEPTED:
            return self.opening(order, "pending_new")
        if change is Change.ENTERED:
            return self.entered(order)
        if change is Change.AMENDED:
            return self.amended(order)
        if change is Change.TRIGGERED:
            return self.triggered(order, self._context.clock.now())
        return self.ended(order)

    def _fee_usd(self, order: Order) -> Decimal:
        asset = order.instrument.base if order.ticket.fee_in_base else order.instrument.quote
        return self._usd(asset, order.fee)

    def _usd(self, asset: str, amount: Decimal) -> Decimal:
        return self._context.usd(asset, amount).quantize(PLACES)


def snapshot_type(order: Order) -> str:
    """Return the `exec_type` of an open order in a snapshot."""
    return "pending_new" if order.status is Status.PENDING else "new"


def _status(order: Order) -> str:
    if order.status is Status.PENDING:
        return "pending_new"
    return "partially_filled" if order.filled else "new"


def _own_id(order: Order) -> Shape:
    """Return the client's own name of the order: its text, or the number that every other order has."""
    if order.ticket.client_id:
        return {"cl_ord_id": order.ticket.client_id}
    return {"order_userref": order.ticket.userref or 0}


def _post_only(order: Order) -> Shape:
    return {"post_only": True} if order.ticket.post_only else {}


def _average(order: Order) -> Decimal:
    return order.average_price.quantize(PLACES)


def _triggers(order: Order) -> Shape:
    ticket = order.ticket
    status = "triggered" if order.triggered else "untriggered"
    reference = ticket.trigger_on or "last"
    triggers: Shape = {
        "price": order.trigger,
        "price_type": "static",
        "reference": reference,
        "status": status,
    }
    if ticket.trail is not None:
        unit = "pct" if ticket.trail.percent else "quote"
        triggers |= {"price": ticket.trail.amount, "price_type": unit, "actual_price": order.trigger}
    return {"triggers": triggers, "stop_price": order.trigger, "trigger": reference}
