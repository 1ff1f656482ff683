"""What the bench's venue checks and remembers: signatures, nonces, orders. It judges nothing else, and matches nothing.

It must check every signature and every nonce, and never refuse an order for anything but those two: whether an order came twice
is for `verify` to find in the log. An accepted order counts as filled at its own limit at once; balances never change, so that
an account is worth the same in every round.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote_plus

PRICE: Final = Decimal(60_000)
FEE: Final = Decimal("0.004")
BAD_SIGNATURE: Final = b'{"error":["EAPI:Invalid signature"]}'
BAD_NONCE: Final = b'{"error":["EAPI:Invalid nonce"]}'
BAD_KEY: Final = b'{"error":["EAPI:Invalid key"]}'
_PAGE: Final = 50


@dataclass(slots=True)
class Order:
    """One accepted AddOrder; instants of the machine's monotonic clock in ns. `accepted` is when it was answered."""

    id: str
    user: str
    body: bytes
    nonce: int
    arrived: int
    connection: int
    accepted: int = 0

    @property
    def client_id(self) -> str:
        """The client's own id."""
        if self.body.startswith(b"{"):
            return str(json.loads(self.body)["client_order_id"])
        return form(self.body).get("cl_ord_id", "")


@dataclass(slots=True)
class Holder:
    """A key's owner, and what has come from him."""

    user: str
    secret: bytes
    public: Any = None
    """The public half of a key of Coinbase's."""
    nonce: int = 0
    orders: list[Order] = field(default_factory=list)
    unread: bool = False
    """Whether an order came after the last look at the balances."""


@dataclass(slots=True)
class Exchange:
    """All accounts and the log of all orders."""

    holders: dict[bytes, Holder] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    calls: int = 0
    bad_signatures: int = 0
    bad_nonces: int = 0

    def open_account(self, user: str, key: str, secret: str) -> None:
        """Let a key of Kraken's in."""
        self.holders[key.encode()] = Holder(user, b64decode(secret))

    def open_with_public_key(self, user: str, key: str, public: object) -> None:
        """Let a key of Coinbase's in."""
        self.holders[key.encode()] = Holder(user, b"", public)

    @property
    def unread(self) -> int:
        """How many accounts have traded since they last looked at their balances."""
        return sum(holder.unread for holder in self.holders.values())

    def admit(self, path: bytes, key: bytes, sign: bytes, body: bytes) -> Holder | bytes:
        """Check a private call; answers whose it is, or the refusal. In Kraken's order: key, signature, nonce."""
        self.calls += 1
        holder = self.holders.get(key)
        if holder is None:
            self.bad_signatures += 1
            return BAD_KEY
        nonce = _nonce(body)
        digest = hmac.digest(holder.secret, path + sha256(nonce + body).digest(), "sha512")
        try:
            signed = b64decode(sign) == digest
        except ValueError:
            signed = False
        if not signed:
            self.bad_signatures += 1
            return BAD_SIGNATURE
        number = int(nonce)
        if number <= holder.nonce:
            self.bad_nonces += 1
            return BAD_NONCE
        holder.nonce = number
        return holder

    def accept(self, holder: Holder, body: bytes, arrived: int, connection: int) -> Order:
        """Take an order as it is."""
        order = Order(f"O{len(self.orders):017d}", holder.user, body, holder.nonce, arrived, connection)
        holder.orders.append(order)
        holder.unread = True
        self.orders.append(order)
        return order

    def named(self, holder: Holder, ids: str) -> Iterator[Order]:
        """Return those of an account's orders that are named, by ids with commas between."""
        for name in ids.split(","):
            number = int(name[1:]) if name[1:].isdigit() else len(self.orders)
            if number < len(self.orders) and self.orders[number].user == holder.user:
                yield self.orders[number]

    @staticmethod
    def listed(holder: Holder, asked: dict[str, str]) -> list[Order]:
        """Return a page of an account's orders, newest first."""
        client_id, first = asked.get("cl_ord_id"), int(asked.get("ofs", "0"))
        found = [order for order in reversed(holder.orders) if client_id is None or order.client_id == client_id]
        return found[first : first + _PAGE]


def form(body: bytes) -> dict[str, str]:
    """Read a form."""
    pairs = (part.partition("=") for part in body.decode().split("&"))
    return {name: unquote_plus(value) if "%" in value or "+" in value else value for name, _, value in pairs}


def row(order: Order, wall_offset: float) -> dict[str, Any]:
    """Show an order as Kraken does: closed, filled in full at its limit. `wall_offset`: epoch s at the monotonic clock's 0."""
    asked = form(order.body)
    size = Decimal(asked.get("volume", "0"))
    price = Decimal(asked.get("price", PRICE))
    at = round(order.accepted / 1e9 + wall_offset, 4)
    return {
        "status": "closed",
        "cl_ord_id": asked.get("cl_ord_id", ""),
        "opentm": at,
        "closetm": at,
        "descr": {"pair": "XBTUSD", "type": asked.get("type", ""), "ordertype": asked.get("ordertype", "")},
        "vol": f"{size:f}",
        "vol_exec": f"{size:f}",
        "cost": f"{size * price:f}",
        "fee": f"{size * price * FEE:f}",
        "price": f"{price:f}",
        "oflags": asked.get("oflags", ""),
        "reason": None,
    }


def _nonce(body: bytes) -> bytes:
    start = body.find(b"nonce=")
    if start < 0:
        return b"0"
    end = body.find(b"&", start)
    text = body[start + 6 : end if end >= 0 else None]
    return text if text.isdigit() else b"0"
