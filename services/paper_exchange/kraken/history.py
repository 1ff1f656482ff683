"""Kraken's calls about orders and trades of the account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.paper_exchange.core.account import Permission
from services.paper_exchange.core.order import Order, Trade
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.bounds import time_bound
from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.errors import KrakenRefusal, bad_argument
from services.paper_exchange.kraken.shapes import Shape, ids, order_shape, position_shape, trade_shape
from services.paper_exchange.kraken.streams.tokens import LIFE

PAGE: Final = 50
MOST_IDS: Final = 50
SPOT_TRADES: Final = frozenset({"", "all", "no position"})
POSITION_TRADES: Final = frozenset({"any position", "closed position", "closing position"})
"""Of margin positions, which have no trades here."""


def open_orders(call: Call) -> object:
    """Return the open orders; with the fault `stale_open_orders` as they were a while ago."""
    with_trades = call.parameters.flag("trades")
    faults = call.exchange.faults
    stale = faults.effect("stale_open_orders", call.account.user, "OpenOrders") if faults.armed else None
    if stale is None:
        found = _chosen(call, reversed(list(_candidates(call, call.account.open_orders.values()))))
        return {"open": {o.id: _shape(call, o, trades=with_trades) for o in found if o.is_open}}
    then = call.now - stale.seconds
    orders = [o for o in call.account.orders.values() if o.accepted_at <= then and (o.is_open or o.closed_at > then)]
    return {"open": {o.id: order_shape(o, trades=with_trades, as_of=then) for o in _chosen(call, reversed(orders))}}


def closed_orders(call: Call) -> object:
    """Return the ended orders, newest first, 50 per page."""
    parameters = call.parameters
    closetime = parameters.text("closetime") or "both"
    if closetime not in {"open", "close", "both"}:
        raise bad_argument("closetime")
    start, end = time_bound(call, "start", 0.0), time_bound(call, "end", float("inf"))

    def inside(order: Order) -> bool:
        opened, closed = start < order.accepted_at <= end, start < order.closed_at <= end
        return opened if closetime == "open" else closed if closetime == "close" else opened or closed

    candidates = [o for o in _candidates(call, call.account.closed_orders) if not o.is_open]
    found = [o for o in _chosen(call, reversed(candidates)) if inside(o)]
    offset = max(0, parameters.integer("ofs"))
    page = found[offset : offset + PAGE]
    result: Shape = {"closed": {o.id: _shape(call, o, trades=parameters.flag("trades")) for o in page}}
    if not parameters.flag("without_count"):
        result["count"] = len(found)
    return result


def query_orders(call: Call) -> object:
    """Return orders by id, of a userref if one is named; one unknown id rejects the whole query."""
    wanted = list(ids(call.parameters.need("txid")))
    if len(wanted) > MOST_IDS:
        raise bad_argument("txid")
    userref = _userref(call)
    found: Shape = {}
    for name in wanted:
        order = call.account.orders.get(name)
        if order is None or not _visible(call, order):
            raise KrakenRefusal(errors.INVALID_ORDER)
        needed = Permission.QUERY_OPEN_ORDERS if order.is_open else Permission.QUERY_CLOSED_ORDERS
        if not call.may(needed):
            raise KrakenRefusal(errors.PERMISSION_DENIED)
        if userref in {None, order.ticket.userref}:
            found[name] = _shape(call, order, trades=call.parameters.flag("trades"))
    return found


def trades_history(call: Call) -> object:
    """Return the account's trades, newest first, 50 per page."""
    parameters = call.parameters
    start, end = time_bound(call, "start", 0.0), time_bound(call, "end", float("inf"))
    kind = parameters.text("type")
    if kind not in SPOT_TRADES | POSITION_TRADES:
        raise bad_argument("type")
    trades = reversed(call.account.trades) if kind in SPOT_TRADES else ()
    found = [t for t in trades if start < t.at <= end and _visible(call, t.order)]
    offset = max(0, parameters.integer("ofs"))
    result: Shape = {"trades": {t.id: _trade(call, t) for t in found[offset : offset + PAGE]}}
    if not parameters.flag("without_count"):
        result["count"] = len(found)
    return result


def query_trades(call: Call) -> object:
    """Return trades by id."""
    found: Shape = {}
    for name in ids(call.parameters.need("txid")):
        trade = call.account.trades_by_id.get(name)
        if trade is None:
            raise KrakenRefusal(errors.INVALID_ORDER)
        found[name] = _trade(call, trade)
    return found


def open_positions(call: Call) -> object:
    """Return the open margin positions; if there are none, the empty list that the real venue sends."""
    positions = call.account.positions
    return {each.id: position_shape(symbol, each) for symbol, each in positions.items()} or []


def order_amends(call: Call) -> object:
    """Return the changes of one order, the original first."""
    order = call.account.orders.get(call.parameters.need("order_id"))
    if order is None:
        raise KrakenRefusal(errors.INVALID_ORDER)
    rows: list[Shape] = [_amend("original", order.id, order.accepted_at, order.ticket.size, order.ticket.limit, order)]
    rows += [_amend("user", amend_id, at, size, limit, order) for amend_id, at, size, limit, _ in order.amends]
    return {"count": len(rows), "amends": rows}


def websockets_token(call: Call) -> object:
    """Return a token for the private WebSocket, to be used within 15 minutes."""
    return {"token": call.tokens.issue(call.key, call.now), "expires": LIFE}


def _amend(kind: str, amend_id: str, at: float, size: object, limit: object, order: Order) -> Shape:
    shape: Shape = {
        "amend_id": amend_id,
        "amend_type": kind,
        "order_qty": f"{size:.8f}",
        "remaining_qty": f"{order.remaining:.8f}",
        "timestamp": int(at * 1000),
        "reason": None,
    }
    if limit is not None:
        shape["limit_price"] = f"{limit}"
    return shape


def _trade(call: Call, trade: Trade) -> Shape:
    shape = trade_shape(trade)
    if call.parameters.flag("ledgers"):
        shape["ledgers"] = [f"L{prefix}{trade.id[2:]}" for prefix in "LM"]
    return shape


def _shape(call: Call, order: Order, *, trades: bool) -> Shape:
    shape = order_shape(order, trades=trades)
    if not call.exchange.faults.armed:
        return shape
    if _strikes(call, "order_status_unknown", order):
        shape["status"] = "unknown"
    if order.ticket.size_in_quote and _strikes(call, "volume_in_quote", order):
        shape |= {"vol": f"{order.ticket.size:.8f}", "vol_exec": f"{order.cost:.8f}"}
    if _strikes(call, "row_without_type", order):
        shape["descr"] = {**_described(shape), "type": ""}
    return shape


def _strikes(call: Call, fault: str, order: Order) -> bool:
    effect = call.exchange.faults.effect(fault, call.account.user, call.method, order.instrument.symbol)
    return effect is not None


def _described(shape: Shape) -> Shape:
    described = shape["descr"]
    return described if isinstance(described, dict) else {}


def _visible(call: Call, order: Order) -> bool:
    return order.visible_from <= call.now


def _candidates(call: Call, orders: Iterable[Order]) -> Iterable[Order]:
    """Select by client id through the index: a lookup after a lost reply must not read a year of orders."""
    client_id = call.parameters.text("cl_ord_id")
    return call.account.by_client_id.get(client_id, []) if client_id else orders


def _userref(call: Call) -> int | None:
    return call.parameters.integer("userref") if call.parameters.text("userref") else None


def _chosen(call: Call, orders: Iterable[Order]) -> Iterable[Order]:
    client_id = call.parameters.text("cl_ord_id")
    userref = _userref(call)
    for order in orders:
        if client_id and order.ticket.client_id != client_id:
            continue
        if userref is not None and order.ticket.userref != userref:
            continue
        if _visible(call, order):
            yield order
