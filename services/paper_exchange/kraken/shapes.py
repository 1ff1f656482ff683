"""Orders, trades and positions in Kraken's JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.account import MarginPosition
from services.paper_exchange.core.instrument import Instrument
from services.paper_exchange.core.order import (
    LIMIT_PRICED,
    TAKES,
    TRAILING,
    TRIGGERED,
    Distance,
    Order,
    OrderType,
    Ticket,
    Trade,
)
from services.paper_exchange.kraken.pairs import ASSETS, BY_SYMBOL

Shape = dict[str, object]
ICEBERG_DEFAULT: Final = 15
NO_POSITION: Final = "TKH2SE-M7IF5-CFI7LT"  # spot trades open no position, but have the field


def price_text(instrument: Instrument, price: Decimal | None) -> str:
    """Format a price with the pair's decimals."""
    return f"{price or 0:.{instrument.price_decimals}f}"


def distance_text(instrument: Instrument, distance: Distance | None) -> str:
    """Format the distance of a trailing order: `+3000.0`, `+5.0000%` (recorded in ccxt's answers)."""
    if distance is None:
        return ""
    sign = "+" if distance.amount >= 0 else ""
    return sign + (f"{distance.amount:.4f}%" if distance.percent else price_text(instrument, distance.amount))


def describe(ticket: Ticket, size: Decimal) -> str:
    """Return Kraken's description of an order: `buy 1.45000000 XBTUSD @ limit 27500.0`."""
    instrument = ticket.instrument
    kind = ticket.kind
    text = f"{ticket.side} {size:.8f} {BY_SYMBOL[instrument.symbol].altname} @ {kind.removesuffix('-limit').replace('-', ' ')}"
    if kind in TRAILING:
        text += f" {distance_text(instrument, ticket.trail)}"
    elif kind in TRIGGERED:
        text += f" {price_text(instrument, ticket.trigger)}"
    elif ticket.limit is not None:
        text += f" {price_text(instrument, ticket.limit)}"
    if kind in TRIGGERED and kind in LIMIT_PRICED:
        text += f" -> limit {_limit_text(instrument, ticket.limit, ticket.limit_offset)}"
    return text


def _limit_text(instrument: Instrument, limit: Decimal | None, offset: Distance | None) -> str:
    return price_text(instrument, limit) if offset is None else distance_text(instrument, offset)


def describe_close(ticket: Ticket) -> str:
    """Return the description of the conditional close, empty without one."""
    close = ticket.conditional_close
    if close is None:
        return ""
    instrument = ticket.instrument
    first = price_text(instrument, close.price) if close.trail is None else distance_text(instrument, close.trail)
    text = f"close position @ {close.kind.removesuffix('-limit').replace('-', ' ')} {first}"
    if close.price2 is None and close.limit_offset is None:
        return text
    return f"{text} -> limit {_limit_text(instrument, close.price2, close.limit_offset)}"


def description(ticket: Ticket, size: Decimal) -> Shape:
    """Return the `descr` of AddOrder's answer."""
    found: Shape = {"order": describe(ticket, size)}
    if ticket.conditional_close is not None:
        found["close"] = describe_close(ticket)
    return found


def order_shape(order: Order, *, trades: bool, as_of: float = float("inf")) -> Shape:
    """Return one order as JSON, with `as_of` as it was at an instant."""
    ticket, instrument = order.ticket, order.instrument
    past = as_of < order.closed_at
    fills = order.trades if as_of == float("inf") else [trade for trade in order.trades if trade.at <= as_of]
    filled = sum((trade.size for trade in fills), Decimal(0))
    cost = sum((trade.cost for trade in fills), Decimal(0))
    decimals = max(5, instrument.price_decimals)
    shape: Shape = {
        "refid": order.parent or None,
        "userref": ticket.userref,
        "status": "open" if past else str(order.status),
        "opentm": round(order.accepted_at, 6),
        "starttm": round(ticket.starts_at, 6) or 0,
        "expiretm": round(ticket.expires_at, 6) or 0,
        "descr": {
            "pair": BY_SYMBOL[instrument.symbol].altname,
            "type": str(order.side),
            "ordertype": str(ticket.kind),
            "price": _first_price(order),
            "price2": _second_price(order),
            "leverage": f"{ticket.leverage}:1" if ticket.leverage else "none",
            "order": describe(ticket, order.size),
            "close": describe_close(ticket),
        },
        "vol": f"{order.size:.8f}",
        "vol_exec": f"{filled:.8f}",
        "cost": f"{cost:.{instrument.cost_decimals}f}",
        "fee": f"{sum((trade.fee for trade in fills), Decimal(0)):.{instrument.cost_decimals}f}",
        "price": f"{cost / filled if filled else 0:.{decimals}f}",
        "stopprice": f"{_stop_price(order) or 0:.{decimals}f}",
        "limitprice": f"{_triggered_limit(order) or 0:.{decimals}f}",
        "misc": _misc(order, filled),
        "oflags": ticket.flags,
    }
    if ticket.client_id:
        shape["cl_ord_id"] = ticket.client_id
    if ticket.kind in TRIGGERED and ticket.trigger_on:
        shape["trigger"] = ticket.trigger_on
    if ticket.kind is OrderType.ICEBERG:
        shape["display_volume"] = f"{ticket.display or order.size / ICEBERG_DEFAULT:.8f}"
    if trades:
        shape["trades"] = [trade.id for trade in fills]
    if not order.is_open and not past:
        if order.reason:
            shape["reason"] = order.reason
        shape["closetm"] = round(order.closed_at, 6)
    return shape


def _stop_price(order: Order) -> Decimal | None:
    """Return `stopprice`: where a trailing stop is now; for other triggered orders only after the trigger (ccxt's answers)."""
    return order.trigger if order.triggered or order.ticket.kind in TRAILING else None


def _triggered_limit(order: Order) -> Decimal | None:
    """Return `limitprice`: the limit after the trigger; before it a trailing order has its reference price there.

    Kraken's description names the first ("triggered limit price"); the second is in ccxt's recorded answers, where the stop
    is the percentage from exactly that price.
    """
    if order.ticket.kind not in TRIGGERED:
        return None
    return order.limit if order.triggered else order.best_seen


def _misc(order: Order, filled: Decimal) -> str:
    """Return `misc`: what happened to an order, in the words of docs.kraken.com, Get Open Orders.

    That a wholly filled order is not `partial`, and the sequence of the words, is inferred.
    """
    words = []
    if order.triggered:
        words.append("touched" if order.ticket.kind in TAKES else "stopped")
    if 0 < filled < order.size:
        words.append("partial")
    if order.amended_at:
        words.append("amended")
    return ",".join(words)


def _first_price(order: Order) -> str:
    if order.ticket.kind in TRAILING:
        return distance_text(order.instrument, order.ticket.trail)
    price = order.trigger if order.ticket.kind in TRIGGERED else order.limit
    return "0" if price is None else price_text(order.instrument, price)


def _second_price(order: Order) -> str:
    if order.ticket.limit_offset is not None:
        return distance_text(order.instrument, order.ticket.limit_offset)
    if order.ticket.kind in TRIGGERED and order.limit is not None:
        return price_text(order.instrument, order.limit)
    return "0"


def trade_shape(trade: Trade) -> Shape:
    """Return one trade of TradesHistory as JSON."""
    order, instrument = trade.order, trade.order.instrument
    decimals = max(5, instrument.price_decimals)
    shape: Shape = {
        "ordertxid": order.id,
        "postxid": NO_POSITION,
        "pair": BY_SYMBOL[instrument.symbol].id,
        "aclass": "forex",
        "time": round(trade.at, 6),
        "type": str(order.side),
        "ordertype": str(order.ticket.kind),
        "price": f"{trade.price:.{decimals}f}",
        "cost": f"{trade.cost:.{instrument.cost_decimals}f}",
        "fee": f"{trade.fee:.{instrument.cost_decimals}f}",
        "vol": f"{trade.size:.8f}",
        "margin": f"{_margin(trade):.{instrument.cost_decimals}f}",
        "leverage": str(order.ticket.leverage),
        "misc": "",
        "trade_id": trade.number,
        "maker": trade.maker,
    }
    if order.ticket.client_id:
        shape["cl_ord_id"] = order.ticket.client_id
    return shape


def _margin(trade: Trade) -> Decimal:
    leverage = trade.order.ticket.leverage
    return trade.cost / leverage if leverage else Decimal(0)


def position_shape(symbol: str, position: MarginPosition) -> Shape:
    """Return one margin position of OpenPositions as JSON (docs.kraken.com, Get Open Positions)."""
    instrument = BY_SYMBOL[symbol].instrument
    return {
        "ordertxid": position.opened_by,
        "posstatus": "open",
        "pair": BY_SYMBOL[symbol].id,
        "time": round(position.opened_at, 6),
        "type": "buy" if position.size > 0 else "sell",
        "ordertype": "market",
        "cost": f"{abs(position.cost):.{instrument.cost_decimals}f}",
        "fee": f"{position.fee:.{instrument.cost_decimals}f}",
        "vol": f"{abs(position.size):.8f}",
        "vol_closed": f"{0:.8f}",
        "margin": f"{0:.{instrument.cost_decimals}f}",
        "terms": "0.0100% per 4 hours",
        "rollovertm": "0",
        "misc": "",
        "oflags": "",
    }


def amount_text(asset: str, amount: Decimal) -> str:
    """Format a balance with the asset's decimals, rounded down, so that it never shows more than there is."""
    decimals = ASSETS[asset].decimals if asset in ASSETS else 8
    return f"{amount.quantize(Decimal(1).scaleb(-decimals), rounding='ROUND_DOWN'):f}"


def rfc1123(instant: float) -> str:
    """Format an instant as the answer to Time does: `Wed,  9 Jan 19 01:50:54 +0000` (docs.kraken.com, Get Server Time)."""
    at = datetime.fromtimestamp(instant, UTC)
    return f"{at:%a}, {at.day:2d} {at:%b %y %H:%M:%S} +0000"


def rfc3339(instant: float) -> str:
    """Format an instant as Kraken does."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ids(text: str) -> Iterable[str]:
    """Split a comma list."""
    return [part.strip() for part in text.split(",") if part.strip()]
