"""The control plane's JSON of accounts, orders and fills: plain names, decimals as text, instants in ms."""

from __future__ import annotations

from decimal import Decimal

from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.faults import ArmedFault
from services.paper_exchange.core.order import Order, Trade
from services.paper_exchange.streaming.register import LiveStream, StreamRegister

View = dict[str, object]


def text(amount: Decimal | None) -> str | None:
    """Format a decimal without an exponent or trailing zeros."""
    if amount is None:
        return None
    plain = f"{amount:f}"
    return (plain.rstrip("0").rstrip(".") or "0") if "." in plain else plain


def millis(instant: float) -> int | None:
    """Convert an instant to ms; None if it has not happened."""
    return round(instant * 1000) or None


def trade_view(trade: Trade) -> View:
    """Return one fill as JSON."""
    order = trade.order
    return {
        "trade_id": trade.id,
        "order_id": order.id,
        "client_order_id": order.ticket.client_id,
        "symbol": order.instrument.symbol,
        "side": str(order.side),
        "price": text(trade.price),
        "size": text(trade.size),
        "cost": text(trade.cost),
        "fee": text(trade.fee),
        "fee_asset": trade.fee_asset,
        "maker": trade.maker,
        "at": millis(trade.at),
    }


def order_view(order: Order) -> View:
    """Return one accepted order and its state as JSON."""
    return {
        "user": order.account.user,
        "venue": order.account.venue,
        "symbol": order.instrument.symbol,
        "client_order_id": order.ticket.client_id,
        "order_id": order.id,
        "side": str(order.side),
        "order_type": str(order.ticket.kind),
        "size": text(order.size),
        "limit_price": text(order.limit),
        "trigger_price": text(order.trigger),
        "filled_size": text(order.filled),
        "average_price": text(order.average_price),
        "cost": text(order.cost),
        "fee": text(order.fee),
        "status": str(order.status),
        "reason": order.reason,
        "accepted_at": millis(order.accepted_at),
        "closed_at": millis(order.closed_at),
        "trades": [trade_view(trade) for trade in order.trades],
    }


def account_view(account: Account) -> View:
    """Return one account as JSON."""
    assets = sorted(account.balances)
    return {
        "user": account.user,
        "venue": account.venue,
        "tier": account.tier,
        "balances": {asset: text(account.balances[asset]) for asset in assets},
        "holds": {asset: text(held) for asset, held in sorted(account.holds.items()) if held},
        "api_keys": list(account.keys),
        "orders": [order_view(order) for order in account.orders.values()],
        "fills": [trade_view(trade) for trade in account.trades],
    }


def key_view(key: ApiKey, secret: str) -> View:
    """Return a key as the answer to its creation shows it, the only one with the secret."""
    return {
        "user": key.account.user,
        "venue": key.account.venue,
        "api_key": key.name,
        "api_secret": secret,
        "tier": key.tier,
        "permissions": sorted(key.permissions),
    }


def fault_view(switch: ArmedFault) -> View:
    """Return one armed fault as JSON, with how often it fired."""
    return {
        "fault": switch.fault,
        "user": switch.user or None,
        "venue": switch.venue or None,
        "method": switch.method or None,
        "symbol": switch.symbol or None,
        "count_left": switch.left,
        "probability": switch.probability,
        "seconds": switch.seconds or None,
        "fired": switch.fired,
    }


def streams_view(register: StreamRegister, user: str = "") -> View:
    """Return the open streams, of one user if one is named, and how often each key has connected since the start."""
    return {
        "open": [_stream_view(live) for live in register.open.values() if user in {"", live.user}],
        "connects": [
            {"venue": venue, "api_key": key or None, "count": count}
            for (venue, key), count in sorted(register.connects.items())
            if count
        ],
        "refused": dict(register.refused),
    }


def _stream_view(live: LiveStream) -> View:
    return {
        "venue": live.venue,
        "user": live.user or None,
        "api_key": live.api_key or None,
        "address": live.address,
        "since": millis(live.since),
        "channels": sorted(live.channels),
        "messages": live.messages,
    }
