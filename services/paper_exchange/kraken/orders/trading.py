"""Kraken's trading calls."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.exchange import Amendment
from services.paper_exchange.core.order import TRAILING, Order, Ticket
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.counters import AgeCost
from services.paper_exchange.kraken.errors import DENIALS, INVALID_ARGUMENTS, KrakenRefusal, bad_argument
from services.paper_exchange.kraken.orders.prices import SentPrice
from services.paper_exchange.kraken.orders.tickets import check_mode, instrument_of, read_ticket
from services.paper_exchange.kraken.orders.times import check_deadline
from services.paper_exchange.kraken.orders.trailing import read_trail
from services.paper_exchange.kraken.parameters import Parameters
from services.paper_exchange.kraken.shapes import Shape, description, distance_text, ids, price_text, rfc3339

DAY: Final = 86_400


def add_order(call: Call) -> object:
    """Place an order; with `validate` check it only."""
    parameters = call.parameters
    instrument = instrument_of(call.exchange, parameters.need("pair"))
    call.charge(instrument.symbol, 1)
    ticket = read_ticket(call.exchange, parameters, instrument, margin=call.account.margin)
    if call.exchange.faults.armed:
        _charge_in_base(call, ticket)
    check_mode(call.exchange, instrument, post_only=ticket.post_only, user=call.account.user)
    check_deadline(parameters, call.arrived, call.now)
    if parameters.flag("validate"):
        return {"descr": description(ticket, ticket.size)}
    order = _place(call, ticket)
    return {"descr": description(ticket, order.size), "txid": [order.id]}


def amend_order(call: Call) -> object:
    """Change an open order in place: same id, new size, limit or trigger."""
    parameters = call.parameters
    order = _open_order(call)
    call.charge(order.instrument.symbol, 1 + call.age_cost(AgeCost.AMEND, order.amended_at or order.accepted_at))
    check_mode(
        call.exchange, call.exchange.rules.current(order.instrument.symbol), post_only=True, user=call.account.user
    )
    check_deadline(parameters, call.arrived, call.now)
    change = _amendment(call, order)
    denial = call.exchange.amend(order, change)
    if denial is not None:
        raise KrakenRefusal(DENIALS[denial])
    amend_id = call.exchange.ids.make("T")
    order.amends.append((amend_id, call.now, order.size, order.limit, order.trigger))
    return {"amend_id": amend_id}


def edit_order(call: Call) -> object:
    """Replace an open order by a new one with a new id."""
    parameters = call.parameters
    instrument = instrument_of(call.exchange, parameters.need("pair"))
    old = _by_txid_or_userref(call, parameters.need("txid"))
    if old is None or not old.is_open or old.instrument.symbol != instrument.symbol:
        raise KrakenRefusal(errors.INVALID_ORDER)
    call.charge(instrument.symbol, 1 + call.age_cost(AgeCost.EDIT, old.accepted_at))
    if old.ticket.client_id:
        raise bad_argument("cl_ord_id")
    ticket = read_ticket(call.exchange, _edited(parameters, old), instrument)
    check_mode(call.exchange, instrument, post_only=ticket.post_only, user=call.account.user)
    check_deadline(parameters, call.arrived, call.now)
    if parameters.flag("validate"):
        return {"descr": description(ticket, ticket.size)}
    denial = call.exchange.cancel(old, "Order replaced")
    if denial is not None:
        raise KrakenRefusal(DENIALS[denial])
    order = _place(call, ticket)
    result: Shape = {
        "status": "ok",
        "txid": order.id,
        "originaltxid": old.id,
        "volume": f"{order.size:.8f}",
        "price": price_text(instrument, ticket.trigger or ticket.limit),
        "orders_cancelled": 1,
        "descr": description(ticket, order.size),
    }
    if ticket.trigger is not None and ticket.limit is not None:
        result["price2"] = price_text(instrument, ticket.limit)
    if ticket.userref is not None:
        result["newuserref"] = str(ticket.userref)
        result["olduserref"] = str(old.ticket.userref or 0)
    return result


def cancel_order(call: Call) -> object:
    """Cancel one order by id or client id, or all orders of a userref."""
    parameters = call.parameters
    if not parameters.text("txid") and not parameters.text("cl_ord_id"):
        raise bad_argument("txid")
    orders = _to_cancel(call, parameters.text("txid"), parameters.text("cl_ord_id"))
    count = sum(_cancel(call, order) for order in orders)
    if not count:
        raise KrakenRefusal(errors.UNKNOWN_ORDER)
    return {"count": count, "pending": False}


def cancel_all(call: Call) -> object:
    """Cancel every open order."""
    for symbol in {order.instrument.symbol for order in call.account.open_orders.values()}:
        call.charge(symbol, 1, refuse=False)
    return {"count": call.exchange.cancel_all(call.account)}


def cancel_all_after(call: Call) -> object:
    """Arm the dead man's switch (seconds below a day), or disarm it with 0."""
    call.parameters.need("timeout")
    timeout = call.parameters.integer("timeout", -1)
    if not 0 <= timeout < DAY:
        raise bad_argument("timeout")
    call.exchange.cancel_all_after(call.account, timeout)
    return {"currentTime": rfc3339(call.now), "triggerTime": rfc3339(call.now + timeout) if timeout else "0"}


def add_order_batch(call: Call) -> object:
    """Place 2 to 15 orders of one pair: a bad argument rejects all, missing funds reject their row only."""
    parameters = call.parameters
    instrument = instrument_of(call.exchange, parameters.need("pair"))
    rows = parameters.items("orders")
    if not 2 <= len(rows) <= 15:
        raise bad_argument("orders")
    call.charge(instrument.symbol, (len(rows) + 1) // 2)
    margin = call.account.margin
    tickets = [read_ticket(call.exchange, Parameters.of_object(row), instrument, margin=margin) for row in rows]
    for ticket in tickets:
        check_mode(call.exchange, instrument, post_only=ticket.post_only, user=call.account.user)
    check_deadline(parameters, call.arrived, call.now)
    if parameters.flag("validate"):
        return {"orders": [{"descr": description(ticket, ticket.size)} for ticket in tickets]}
    answers: list[Shape] = []
    for ticket in tickets:
        placed = call.exchange.place(call.account, ticket)
        if isinstance(placed, Denial):
            answers.append({"error": DENIALS[placed], "descr": description(ticket, ticket.size)})
        else:
            answers.append({"txid": placed.id, "descr": description(ticket, placed.size)})
    return {"orders": answers}


def cancel_order_batch(call: Call) -> object:
    """Cancel up to 50 orders by id, userref or client id."""
    names = [str(name) for name in call.parameters.items("orders")]
    client_ids = [str(name) for name in call.parameters.items("cl_ord_ids")]
    if not 1 <= len(names) + len(client_ids) <= 50:
        raise bad_argument("orders")
    found = [order for name in names for order in _to_cancel(call, name, "")]
    found += [order for name in client_ids for order in _to_cancel(call, "", name)]
    return {"count": sum(_cancel(call, order) for order in found)}


def _charge_in_base(call: Call, ticket: Ticket) -> None:
    """Take the fee in base whatever was asked for, if a fault says so: `fciq` is a preference."""
    user, symbol = call.account.user, ticket.instrument.symbol
    if not ticket.leverage and call.exchange.faults.effect(
        "fee_in_base", user, call.method, symbol, call.account.venue
    ):
        ticket.fee_in_base = True


def _place(call: Call, ticket: Ticket) -> Order:
    placed = call.exchange.place(call.account, ticket)
    if isinstance(placed, Denial):
        raise KrakenRefusal(DENIALS[placed])
    return placed


def _cancel(call: Call, order: Order) -> bool:
    cost = call.age_cost(AgeCost.CANCEL, order.amended_at or order.accepted_at)
    call.charge(order.instrument.symbol, cost, refuse=False)
    return call.exchange.cancel(order) is None


def _to_cancel(call: Call, name: str, client_id: str) -> list[Order]:
    if client_id:
        return [order for order in call.account.by_client_id.get(client_id, ()) if order.is_open]
    found: list[Order] = []
    for part in ids(name):
        order = call.account.open_orders.get(part)
        if order is not None:
            found.append(order)
        elif part.lstrip("-").isdigit():
            found += [other for other in call.account.open_orders.values() if other.ticket.userref == int(part)]
    return found


def _by_txid_or_userref(call: Call, name: str) -> Order | None:
    return next(iter(_to_cancel(call, name, "")), None)


def _open_order(call: Call) -> Order:
    txid, client_id = call.parameters.text("txid"), call.parameters.text("cl_ord_id")
    if bool(txid) == bool(client_id):
        raise KrakenRefusal(f"{INVALID_ARGUMENTS}:txid")
    order = next(iter(_to_cancel(call, txid, client_id)), None)
    if order is None:
        raise KrakenRefusal(errors.UNKNOWN_ORDER)
    return order


def _amendment(call: Call, order: Order) -> Amendment:
    parameters = call.parameters
    instrument = call.exchange.rules.current(order.instrument.symbol)
    last = call.exchange.market.last(instrument.symbol)

    def price(name: str) -> Decimal | None:
        text = parameters.text(name)
        return SentPrice.of(text, name).resolve(last, instrument, order.side) if text else None

    size = parameters.amount("order_qty")
    if size is not None:
        size = instrument.floor_size(size)
        if size < instrument.order_min:
            raise KrakenRefusal(errors.VOLUME_MINIMUM)
    display = parameters.amount("display_qty")
    if display is not None:
        order.ticket = replace(order.ticket, display=display)
    if order.ticket.kind in TRAILING and parameters.text("trigger_price"):
        trail = SentPrice.of(parameters.text("trigger_price"), "trigger_price")
        distance = read_trail(trail, "trigger_price", instrument, order.side)
        return Amendment(size, price("limit_price"), trail=distance, post_only=parameters.flag("post_only"))
    return Amendment(size, price("limit_price"), price("trigger_price"), post_only=parameters.flag("post_only"))


def _edited(parameters: Parameters, old: Order) -> Parameters:
    """Return AddOrder's parameters for the replacement: what is not named stays unchanged."""
    ticket, instrument = old.ticket, old.instrument
    first = ticket.trigger or ticket.limit
    texts = {
        "pair": instrument.symbol,
        "type": str(old.side),
        "ordertype": str(ticket.kind),
        "volume": parameters.text("volume") or f"{old.remaining:f}",
        "price": parameters.text("price") or (price_text(instrument, first) if first is not None else ""),
        "oflags": parameters.text("oflags") or ticket.flags.replace("fciq", "").strip(","),
        "userref": parameters.text("userref") or ("" if ticket.userref is None else str(ticket.userref)),
    }
    if ticket.trail is not None and not parameters.text("price"):
        texts["price"] = distance_text(instrument, ticket.trail)
    if parameters.text("price2") or (ticket.trigger is not None and ticket.limit is not None):
        texts["price2"] = parameters.text("price2") or price_text(instrument, ticket.limit)
    if ticket.limit_offset is not None and not parameters.text("price2"):
        texts["price2"] = distance_text(instrument, ticket.limit_offset)
    return Parameters(texts)
