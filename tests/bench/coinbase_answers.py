"""What the bench's venue says to each of Coinbase's methods that Shoal calls, and whether a token is signed by the key it names.

An order counts as filled at its own limit at once, with the fee of the dearest tier; wallets never change.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.bench.exchange import PRICE, Exchange, Holder, Order

PREFIX: Final = b"/api/v3/brokerage/"
ORDERS: Final = b"/api/v3/brokerage/orders"
FEE: Final = Decimal("0.012")
_HOST: Final = "api.coinbase.com"
_WALL_OFFSET: Final = time.time() - time.monotonic()
_PRODUCT: Final = {
    "product_id": "BTC-USD",
    "product_type": "SPOT",
    "price": f"{PRICE}",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "base_min_size": "0.00000001",
    "quote_min_size": "1",
    "status": "online",
}
_SUMMARY: Final = {"fee_tier": {"taker_fee_rate": f"{FEE}"}}
_RIGHTS: Final = {"can_view": True, "can_trade": True, "can_transfer": False, "portfolio_type": "DEFAULT"}


def public_key(secret: str) -> ec.EllipticCurvePublicKey:
    """Return the half of a key that the venue keeps."""
    private = load_pem_private_key(secret.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError("a key of the bench's Coinbase is of an elliptic curve")
    return private.public_key()


def admit(exchange: Exchange, verb: str, path: bytes, authorization: bytes) -> Holder | None:
    """Check a call's token: its signature, its life, its method and its path. Returns whose it is, or None."""
    exchange.calls += 1
    token = authorization.removeprefix(b"Bearer ").decode()
    try:
        holder = exchange.holders[jwt.get_unverified_header(token)["kid"].encode()]
        claims = jwt.decode(token, holder.public, ["ES256"], options={"require": ["exp", "nbf", "sub"]}, leeway=1)
        fits = claims["uri"] == f"{verb} {_HOST}{path.partition(b'?')[0].decode()}"
    except (jwt.PyJWTError, KeyError, ValueError):
        fits = False
    if not fits:
        exchange.bad_signatures += 1
        return None
    return holder


def accepted(order: Order) -> bytes:
    """Return the answer to a new order."""
    asked = json.loads(order.body)
    named = {name: asked[name] for name in ("product_id", "side", "client_order_id")}
    return _text({"success": True, "success_response": {"order_id": order.id, **named}})


def public(path: bytes) -> bytes:
    """Answer a call that needs no key."""
    if path.startswith(b"/api/v3/brokerage/time"):
        now = time.time()
        return _text({"epochSeconds": f"{now:.0f}", "epochMillis": f"{now * 1000:.0f}"})
    return _text({"products": [_PRODUCT], "num_products": 1})


def private(exchange: Exchange, holder: Holder, path: bytes) -> bytes:
    """Answer a lookup that was let in."""
    method = path.removeprefix(PREFIX).partition(b"?")[0]
    if method == b"accounts":
        holder.unread = False
        return _text({"accounts": [_wallet("USD", "1000000"), _wallet("BTC", "10")], "has_next": False, "cursor": ""})
    if method == b"transaction_summary":
        return _text(_SUMMARY)
    if method == b"key_permissions":
        return _text(_RIGHTS)
    if method == b"orders/historical/fills":
        return _text({"fills": [], "cursor": ""})
    if method == b"orders/historical/batch":
        rows = [row(order) for order in reversed(holder.orders[-50:])]
        return _text({"orders": rows, "has_next": False, "cursor": ""})
    named = [row(order) for order in exchange.named(holder, method.rpartition(b"/")[2].decode())]
    return _text({"order": named[0]} if named else {"error": "NOT_FOUND"})


def is_public(path: bytes) -> bool:
    """Return whether a path of Coinbase's needs no token."""
    return path.startswith((b"/api/v3/brokerage/market/", b"/api/v3/brokerage/time"))


def row(order: Order) -> dict[str, Any]:
    """Return an order as Coinbase shows it: filled in full."""
    asked = json.loads(order.body)
    ((kind, fields),) = asked["order_configuration"].items()
    size, price = Decimal(fields["base_size"]), Decimal(fields.get("limit_price", PRICE))
    at = datetime.fromtimestamp(order.accepted / 1e9 + _WALL_OFFSET, UTC).isoformat().replace("+00:00", "Z")
    return {
        "order_id": order.id,
        "client_order_id": asked["client_order_id"],
        "product_id": asked["product_id"],
        "product_type": "SPOT",
        "side": asked["side"],
        "order_configuration": {kind: fields},
        "status": "FILLED",
        "filled_size": f"{size:f}",
        "filled_value": f"{size * price:f}",
        "average_filled_price": f"{price:f}",
        "total_fees": f"{size * price * FEE:f}",
        "created_time": at,
        "last_fill_time": at,
        "last_update_time": at,
    }


def _wallet(currency: str, amount: str) -> dict[str, Any]:
    zero = {"value": "0", "currency": currency}
    return {
        "currency": currency,
        "available_balance": {**zero, "value": amount},
        "hold": zero,
        "active": True,
        "ready": True,
    }


def _text(shape: dict[str, Any]) -> bytes:
    return json.dumps(shape, separators=(",", ":")).encode()
