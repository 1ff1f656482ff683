"""Messages of Coinbase's WebSocket in the shapes that the live venue has sent, and how to vary them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

ORDER = "0f1e2d3c-4b5a-4697-8877-665544332211"
AT = "2026-11-22T16:00:01.123456789Z"
AT_MS = 1_795_363_201_123
OPENED_MS = 1_795_363_200_000


def row(
    status: str, filled: str = "0", leaves: str = "0", *, price: str = "50000", fee: str = "0", **more: Any
) -> dict[str, Any]:
    """An order as the channel `user` shows it."""
    cost = Decimal(filled) * Decimal(price)
    return {
        "order_id": ORDER,
        "client_order_id": "mine",
        "product_id": "ETH-USD",
        "product_type": "SPOT",
        "order_side": "BUY",
        "order_type": "Limit",
        "status": status,
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "cumulative_quantity": filled,
        "leaves_quantity": leaves,
        "avg_price": price if cost else "0",
        "filled_value": f"{cost:f}",
        "number_of_fills": "1" if cost else "0",
        "completion_percentage": "0",
        "total_fees": fee,
        "total_value_after_fees": f"{cost + Decimal(fee):f}",
        "outstanding_hold_amount": "0",
        "limit_price": "50000",
        "stop_price": "",
        "post_only": "false",
        "trigger_status": "INVALID_ORDER_TYPE",
        "cancel_reason": "",
        "reject_reason": "",
        "creation_time": "2026-11-22T16:00:00Z",
        "start_time": "0001-01-01T00:00:00Z",
        "end_time": "0001-01-01T00:00:00Z",
        "retail_portfolio_id": "c0ffee00-0000-4000-8000-000000000000",
    } | more


def message(channel: str, sequence: int, *events: Any, **more: Any) -> dict[str, Any]:
    """A message of a channel."""
    return {
        "channel": channel,
        "client_id": "",
        "timestamp": AT,
        "sequence_num": sequence,
        "events": list(events),
    } | more


def user(sequence: int, *rows: Any, kind: str = "update") -> dict[str, Any]:
    """A message of `user`."""
    return message("user", sequence, {"type": kind, "orders": list(rows), "positions": {}})
