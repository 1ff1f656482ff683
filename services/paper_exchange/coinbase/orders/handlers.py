"""The order methods of the paper Coinbase, by the name that the journal shows."""

from __future__ import annotations

from typing import Final

from services.paper_exchange.coinbase.call import Handler
from services.paper_exchange.coinbase.orders.changes import cancel_orders, edit_order
from services.paper_exchange.coinbase.orders.create import create_order
from services.paper_exchange.coinbase.orders.previews import preview_edit, preview_order
from services.paper_exchange.coinbase.orders.queries import get_order, list_fills, list_orders

HANDLERS: Final[dict[str, Handler]] = {
    "CreateOrder": create_order,
    "CancelOrders": cancel_orders,
    "EditOrder": edit_order,
    "PreviewEdit": preview_edit,
    "PreviewOrder": preview_order,
    "GetOrder": get_order,
    "ListOrders": list_orders,
    "ListFills": list_fills,
}
