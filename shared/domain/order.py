"""Orders: what was decided for a user, and the state of its execution.

A decision is made once per (signal, user). Its states form a small machine; the legal steps are listed here and enforced by the
Lua scripts of the bus:

    planned ──▶ sending ──▶ accepted ──▶ (terminal)
       ▲           │  └──▶ unknown ──┘        any of them may end; no step leaves a terminal state
       └───────────┴─────────┴─────────       proven absent at the venue, or one leg of an exit has ended

(planned to unknown or accepted: the venue knows an order, or has just accepted it, whose record Redis has lost)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol


class Side(StrEnum):
    """The side of an order, as seen by its account."""

    BUY = "buy"
    SELL = "sell"


class Kind(StrEnum):
    """Whether a trade opens or closes a position; on spot an entry is a buy and an exit a sell."""

    ENTRY = "entry"
    EXIT = "exit"


class OrderState(StrEnum):
    """The state of an order, as Shoal has recorded it."""

    PLANNED = "planned"
    SENDING = "sending"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    FILLED = "filled"
    PARTIAL = "partial"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"


TERMINAL: Final = frozenset(
    {
        OrderState.FILLED,
        OrderState.PARTIAL,
        OrderState.SKIPPED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
        OrderState.FAILED,
    }
)

STEPS: Final[Mapping[OrderState, frozenset[OrderState]]] = {
    OrderState.PLANNED: TERMINAL | {OrderState.SENDING, OrderState.ACCEPTED, OrderState.UNKNOWN},
    OrderState.SENDING: TERMINAL | {OrderState.ACCEPTED, OrderState.UNKNOWN, OrderState.PLANNED},
    OrderState.ACCEPTED: TERMINAL | {OrderState.UNKNOWN, OrderState.PLANNED},
    OrderState.UNKNOWN: TERMINAL | {OrderState.ACCEPTED, OrderState.PLANNED},
}
"""The legal steps; `bus/lua/transition.lua` holds the same table and a test compares them."""


CLOCK_TOLERANCE_MS: Final = 5_000
"""How far ahead of our own clock a fill may be dated. A fill dated further ahead would never become too old."""


@dataclass(frozen=True, slots=True)
class EntryTerms:
    """The bounds of a copied entry. All are required: no entry may buy at any price, nor at any time."""

    size: Quantity
    limit_price: Price
    not_after: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy an entry with this size, or an exit with this fraction of what is held."""

    base_size: Quantity | None
    fraction: Decimal | None
    limit_price: Price | None
    """The most that an entry pays. For an exit, only if the master trades at another venue: the least of its first try."""
    not_after: int | None
    """Epoch ms after which an entry must not be sent; None for an exit, which never ages."""

    @property
    def entry(self) -> EntryTerms | None:
        """Return the bounds of an entry; None if any is missing, and then nothing may be bought."""
        if self.base_size is None or self.limit_price is None or self.not_after is None:
            return None
        return EntryTerms(self.base_size, self.limit_price, self.not_after)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the engine decided for one user about one signal. `copy` is None for a skip; `reason` always says why.

    An entry at stage `shadow` has no `copy` either, so that nothing which places orders can place it: its bounds are in `shadow`,
    for the venue to check.

    `code` is the reason as a stable word, where it has one: a ReasonCode, or a word of another version. It decides nothing.
    """

    id: str
    signal_id: str
    user: str
    venue: str
    symbol: Symbol
    side: Side
    kind: Kind
    copy: Copy | None
    reason: str
    master_equity: Money | None
    user_equity: Money | None
    signal_at: int
    emitted_at: int
    code: str = ""
    master_order_id: str = ""
    """The venue's id of the master's order whose fill, or which itself, is copied; empty where that is not known."""
    stage: str = ""
    """The stage for which an entry was sized, if that is less than the whole order; a Stage, or a word of another version."""
    shadow: Copy | None = None
    """The order that the venue is to check and not to take."""
    multiplier: Decimal | None = None
    """The factor on the ratio of the equities; None where the user's size does not follow that ratio."""
    master: str = ""
    """The named master whose signal it is, and whose book it changes; empty for that of a venue's name: the main book."""

    def exit_as(self, symbol: Symbol) -> Decision:
        """Return this exit under another name of the same asset. Raises ValueError for an entry."""
        if self.kind is not Kind.EXIT:
            raise ValueError("only an exit may be moved to another name of its asset")
        return replace(self, symbol=symbol)


_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The variant digit of a UUID (RFC 9562) by the hex digit that the hash has in its place."""


@lru_cache(maxsize=64)
def _namespace(signal_id: str) -> hashlib._Hash:
    """Return the started hash of a name-based UUID: the signal's id is the namespace of one order per user."""
    return hashlib.sha1(UUID(signal_id).bytes, usedforsecurity=False)  # RFC 9562 wants SHA-1; it keeps no secret


def order_id(signal_id: str, user: str, venue: str) -> str:
    """Derive the order's id, which is its client order id at the venue: the same signal, user and venue always give the same id.

    It equals `uuid.uuid5` of `user:venue` in the signal's namespace, without hashing the namespace again for every user.
    """
    sha1 = _namespace(signal_id).copy()
    sha1.update(f"{user}:{venue}".encode())
    return _name_based(sha1.hexdigest())


def report_id(order: str) -> str:
    """Derive the id of an order's report. It equals `uuid.uuid5` of `report` in the order's namespace."""
    sha1 = hashlib.sha1(bytes.fromhex(order.replace("-", "")) + b"report", usedforsecurity=False)
    return _name_based(sha1.hexdigest())


def _name_based(digest: str) -> str:
    """Return the UUID of version 5 that a SHA-1 in hex makes."""
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"


def leg_id(order: str, leg: int) -> str:
    """Derive the client order id of a leg: the first leg has the order's own id, later legs of an exit have ids of their own."""
    return order if leg == 1 else str(uuid5(UUID(order), f"leg-{leg}"))
