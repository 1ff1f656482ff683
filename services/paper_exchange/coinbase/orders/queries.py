"""The order queries: one order, the list of orders with its filters and pages, the list of fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from services.paper_exchange.coinbase.call import Call, Query, Shape
from services.paper_exchange.coinbase.cursors import cut, encode
from services.paper_exchange.coinbase.errors import invalid_argument, not_found
from services.paper_exchange.coinbase.orders.placed import OPEN, Placed
from services.paper_exchange.coinbase.orders.shapes import fill_shape, order_shape, order_type, time_in_force
from services.paper_exchange.coinbase.texts import parse_rfc3339
from services.paper_exchange.coinbase.venue import NAME

DEFAULT_ORDERS: Final = 1_000
DEFAULT_FILLS: Final = 100
MOST_ROWS: Final = 1_000
FILL_SORTS: Final = frozenset({"", "UNKNOWN_SORT_BY", "PRICE", "TRADE_TIME"})
"""Accepted; fills come by the time of the trade, newest first, whichever is asked for."""
SORTS: Final = frozenset({"", "UNKNOWN_SORT_BY", "LIMIT_PRICE", "LAST_FILL_TIME", "LAST_UPDATE_TIME"})
UNKNOWN_STATUS: Final = "UNKNOWN_ORDER_STATUS"


def get_order(call: Call) -> Shape:
    """Return one order. Raises CoinbaseRefusal (404)."""
    placed = call.portfolio.placed.get(call.path["order_id"])
    if placed is None or not _visible(call, placed):
        raise not_found("order with this orderID was not found")
    return {"order": order_shape(call, placed, _odd_status(call, "GetOrder"))}


def list_orders(call: Call) -> Shape:
    """Return a page of orders, newest first. `order_status=OPEN` leaves out PENDING, and stands alone."""
    query = call.query
    statuses = query.items("order_status")
    if OPEN in statuses and len(set(statuses)) > 1:
        raise invalid_argument("order_status: OPEN cannot be combined with other statuses")
    fits = _filter(call, statuses)
    found = [placed for placed in _all(call) if fits(placed)]
    found.sort(key=_sort_key(call), reverse=True)
    page = cut(found, lambda placed: placed.order.id, query.text("cursor"), _limit(query, DEFAULT_ORDERS))
    odd = _odd_status(call, "ListOrders")
    return {
        "orders": [{**order_shape(call, placed, odd), "cursor": encode(placed.order.id)} for placed in page.rows],
        "sequence": "0",
        "has_next": page.has_next,
        "cursor": page.cursor,
    }


def list_fills(call: Call) -> Shape:
    """Return a page of fills, newest first. There is no `has_next`: the last page has no cursor."""
    query = call.query
    if query.text("sort_by") not in FILL_SORTS:
        raise invalid_argument("sort_by")
    start, end = _instants(query, "start_sequence_timestamp", "end_sequence_timestamp")
    fits, trade_ids = _named(call), set(query.items("trade_ids"))
    rows = [
        (placed, trade)
        for placed in _all(call)
        if placed.lists_fills(call.now) and fits(placed)
        for trade in placed.order.trades
        if start <= trade.at < end and (not trade_ids or trade.id in trade_ids)
    ]
    rows.sort(key=lambda row: (row[1].at, row[1].number), reverse=True)
    page = cut(rows, lambda row: row[1].id, query.text("cursor"), _limit(query, DEFAULT_FILLS))
    alias = _effect(call, "alias_in_fills", "ListFills")
    return {"fills": [fill_shape(call, *row, alias=alias) for row in page.rows], "cursor": page.cursor}


def _all(call: Call) -> Iterator[Placed]:
    """Iterate over the orders that are shown, the newest first; with the fault `stale_open_orders` as they were."""
    faults = call.exchange.faults
    stale = faults.effect("stale_open_orders", call.account.user, call.method, venue=NAME) if faults.armed else None
    until = call.now - stale.seconds if stale is not None else float("inf")
    for placed in reversed(list(call.portfolio.placed.values())):
        if placed.order.accepted_at <= until and _visible(call, placed):
            yield placed


def _visible(call: Call, placed: Placed) -> bool:
    return placed.order.visible_from <= call.now


def _filter(call: Call, statuses: list[str]) -> Callable[[Placed], bool]:
    """Return whether an order is asked for."""
    query, now = call.query, call.now
    start, end = _instants(query, "start_date", "end_date")
    named, placement = _named(call), query.text("order_placement_source")
    times = set(query.items("time_in_forces"))
    placement_fits = placement in {"", "UNKNOWN_PLACEMENT_SOURCE", "RETAIL_ADVANCED"}

    def fits(placed: Placed) -> bool:
        return (
            placement_fits
            and start <= placed.order.accepted_at < end
            and named(placed)
            and (not times or time_in_force(placed) in times)
            and (not statuses or placed.status(now) in statuses)
        )

    return fits


def _named(call: Call) -> Callable[[Placed], bool]:
    """Return whether an order has what both lists can be asked for. A list repeats its name; `product_id` is ignored."""
    query = call.query
    order_ids, products, types, assets = (
        set(query.items(name)) for name in ("order_ids", "product_ids", "order_types", "asset_filters")
    )
    side = query.text("order_side")
    possible = query.text("product_type") in {"", "UNKNOWN_PRODUCT_TYPE", "SPOT"} and query.text(
        "retail_portfolio_id"
    ) in {"", call.portfolio.uuid}

    def fits(placed: Placed) -> bool:
        order = placed.order
        return (
            possible
            and (not order_ids or order.id in order_ids)
            and (not products or placed.product_id in products)
            and (not types or order_type(placed) in types)
            and side in {"", "UNKNOWN_ORDER_SIDE", order.side.upper()}
            and (not assets or not assets.isdisjoint({order.instrument.base, order.instrument.quote}))
        )

    return fits


def _sort_key(call: Call) -> Callable[[Placed], float | Decimal]:
    sort = call.query.text("sort_by")
    if sort not in SORTS:
        raise invalid_argument("sort_by")
    if sort == "LAST_UPDATE_TIME":
        return lambda placed: placed.changed_at(call.now)
    if sort == "LAST_FILL_TIME":
        return lambda placed: placed.order.trades[-1].at if placed.order.trades else 0.0
    if sort == "LIMIT_PRICE":
        return lambda placed: placed.order.limit or Decimal(0)
    return lambda placed: placed.order.accepted_at


def _limit(query: Query, default: int) -> int:
    limit = query.integer("limit", default) or default
    if not 0 < limit <= MOST_ROWS:
        raise invalid_argument(f"limit must be from 1 to {MOST_ROWS}")
    return limit


def _instants(query: Query, first: str, last: str) -> tuple[float, float]:
    found = []
    for name, default in ((first, 0.0), (last, float("inf"))):
        text = query.text(name)
        at = parse_rfc3339(text) if text else default
        if at is None:
            raise invalid_argument(name)
        found.append(at)
    return found[0], found[1]


def _odd_status(call: Call, method: str) -> str:
    return UNKNOWN_STATUS if _effect(call, "order_status_unknown", method) else ""


def _effect(call: Call, fault: str, method: str) -> bool:
    faults = call.exchange.faults
    return faults.armed and faults.effect(fault, call.account.user, method, venue=NAME) is not None
