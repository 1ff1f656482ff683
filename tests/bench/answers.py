"""What the bench's venue says to each of Kraken's methods that Shoal calls; the texts that never change are made once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from tests.bench.exchange import FEE, PRICE, Exchange, Holder, form, row

_WALL_OFFSET: Final = time.time() - time.monotonic()
_PAIR: Final = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "aclass_quote": "currency",
    "quote": "ZUSD",
    "pair_decimals": 1,
    "lot_decimals": 8,
    "cost_decimals": 5,
    "ordermin": "0.00005",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
}
_ASSETS: Final = {
    "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5},
    "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "display_decimals": 2},
}
# An account holds more than the rounds ever trade, and what it holds never changes: neither does its equity.
_CASH: Final = "1000000.0000"
_COINS: Final = "10.0000000000"


def said(result: Any) -> bytes:
    """Put a result into Kraken's envelope."""
    return json.dumps({"error": [], "result": result}).encode()


def _price_row() -> dict[str, Any]:
    price = f"{PRICE}.0"
    return {"a": [price, "1", "1.0"], "b": [price, "1", "1.0"], "c": [price, "0.1"], "v": ["1", "1"], "o": price}


_FIXED: Final = {
    b"/0/public/SystemStatus": said({"status": "online", "timestamp": "2026-01-01T00:00:00Z"}),
    b"/0/public/Assets": said(_ASSETS),
    b"/0/public/AssetPairs": said({"XXBTZUSD": _PAIR}),
    b"/0/public/Ticker": said({"XXBTZUSD": _price_row()}),
    b"/paper/identity": json.dumps({"exchange": "shoal-paper"}).encode(),
}
_BALANCE: Final = said({"ZUSD": _CASH, "XXBT": _COINS})
_BALANCE_EX: Final = said(
    {"ZUSD": {"balance": _CASH, "hold_trade": "0"}, "XXBT": {"balance": _COINS, "hold_trade": "0"}}
)
_FEES: Final = said({"currency": "ZUSD", "volume": "0", "fees": {"XXBTZUSD": {"fee": f"{FEE * 100:f}"}}})
_RIGHTS: Final = ("query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "close-trades")
_KEY_INFO: Final = said(
    {"permissions": _RIGHTS, "nonce": "1", "nonceWindow": 0, "validUntil": "0", "ipAllowlist": [], "queryFrom": "0"}
)
_NO_OPEN: Final = said({"open": {}})
_NO_TRADES: Final = said({"trades": {}, "count": 0})
_UNKNOWN: Final = b'{"error":["EGeneral:Unknown method"]}'


def public(path: bytes) -> bytes:
    """Answer a call that needs no key."""
    path = path.partition(b"?")[0]
    if path == b"/0/public/Time":
        now = int(time.time())
        return said({"unixtime": now, "rfc1123": time.strftime("%a, %d %b %y %H:%M:%S +0000", time.gmtime(now))})
    return _FIXED.get(path, _UNKNOWN)


def _balances(_exchange: Exchange, holder: Holder, _body: bytes) -> bytes:
    holder.unread = False
    return _BALANCE


def _balances_ex(_exchange: Exchange, holder: Holder, _body: bytes) -> bytes:
    holder.unread = False
    return _BALANCE_EX


def _named(exchange: Exchange, holder: Holder, body: bytes) -> bytes:
    named = exchange.named(holder, form(body).get("txid", ""))
    return said({order.id: row(order, _WALL_OFFSET) for order in named})


def _closed(exchange: Exchange, holder: Holder, body: bytes) -> bytes:
    found = exchange.listed(holder, form(body))
    return said({"closed": {order.id: row(order, _WALL_OFFSET) for order in found}, "count": len(holder.orders)})


_PRIVATE: Final[dict[bytes, Callable[[Exchange, Holder, bytes], bytes]]] = {
    b"/0/private/Balance": _balances,
    b"/0/private/BalanceEx": _balances_ex,
    b"/0/private/TradeVolume": lambda *_: _FEES,
    b"/0/private/OpenOrders": lambda *_: _NO_OPEN,
    b"/0/private/TradesHistory": lambda *_: _NO_TRADES,
    b"/0/private/ClosedOrders": _closed,
    b"/0/private/QueryOrders": _named,
    b"/0/private/GetApiKeyInfo": lambda *_: _KEY_INFO,
    b"/0/private/CancelOrder": lambda *_: said({"count": 0}),
}


def private(exchange: Exchange, holder: Holder, path: bytes, body: bytes) -> bytes:
    """Answer a lookup that was let in."""
    answer = _PRIVATE.get(path)
    return _UNKNOWN if answer is None else answer(exchange, holder, body)
