"""Orders: what was decided for a user, and where it stands.

A decision is made once per (signal, user). Its life is a small machine whose legal steps are written here and enforced by the
Lua scripts of the bus:

    planned ──▶ sending ──▶ accepted ──▶ (terminal)
       ▲           │  └──▶ unknown ──┘        any of them may end; nothing leaves a terminal state
       └───────────┴─────────┴─────────       proven absent at the venue, or one leg of an exit has ended

(planned to unknown or accepted: the venue knows an order, or has just taken it, whose record Redis has lost)
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
    """Of an order, as seen by its account."""

    BUY = "buy"
    SELL = "sell"


class Kind(StrEnum):
    """Whether a trade opens or closes; on spot an entry is a buy and an exit a sell."""

    ENTRY = "entry"
    EXIT = "exit"


class OrderState(StrEnum):
    """Where an order stands on Shoal's side."""

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
"""How far ahead of our own clock a fill may be dated. What is dated further ahead would be fresh for as long as it pleases."""


@dataclass(frozen=True, slots=True)
class EntryTerms:
    """What a copied entry is bound by. All of it is needed: nothing is bought at any price, nor at any time."""

    size: Quantity
    limit_price: Price
    not_after: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy an entry with this size, or an exit with this fraction of what is held."""

    base_size: Quantity | None
    fraction: Decimal | None
    limit_price: Price | None
    not_after: int | None
    """Epoch ms after which an entry must not be sent; None for an exit, which never ages."""

    @property
    def entry(self) -> EntryTerms | None:
        """Return what an entry is bound by; None if any of it is missing, and then nothing may be bought."""
        if self.base_size is None or self.limit_price is None or self.not_after is None:
            return None
        return EntryTerms(self.base_size, self.limit_price, self.not_after)

    def late_by(self, now: int) -> int:
        """Give how many ms an entry is past its last moment: 0 up to and at that moment, and always for an exit."""
        return 0 if self.not_after is None else max(now - self.not_after, 0)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the engine decided for one user about one signal. `copy` is None for a skip; `reason` always says why."""

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

    def exit_as(self, symbol: Symbol) -> Decision:
        """Return this exit under another name of what it sells. Raises ValueError for an entry."""
        if self.kind is not Kind.EXIT:
            raise ValueError("only an exit may follow its coin to another name")
        return replace(self, symbol=symbol)


_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""What RFC 9562 makes of the digit whose upper bits tell the variant."""


@lru_cache(maxsize=64)
def _namespace(signal_id: str) -> hashlib._Hash:
    """Begin the hash of a name-based UUID: one signal's id is the namespace of as many orders as there are users."""
    return hashlib.sha1(UUID(signal_id).bytes, usedforsecurity=False)  # RFC 9562 wants SHA-1; it keeps no secret


def order_id(signal_id: str, user: str, venue: str) -> str:
    """Derive the order's id, which is its client order id at the venue: the same signal, user and venue always give the same.

    It is what `uuid.uuid5` gives for `user:venue` in the signal's namespace, which that would hash anew for every user.
    """
    begun = _namespace(signal_id).copy()
    begun.update(f"{user}:{venue}".encode())
    return _name_based(begun.hexdigest())


def report_id(order: str) -> str:
    """Derive the id of an order's report: what `uuid.uuid5` gives for `report` in the order's namespace."""
    return _name_based(
        hashlib.sha1(bytes.fromhex(order.replace("-", "")) + b"report", usedforsecurity=False).hexdigest()
    )


def _name_based(digest: str) -> str:
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"


def leg_id(order: str, leg: int) -> str:
    """Derive the client order id of a leg: the first is the order's own id, later ones of an exit have their own."""
    return order if leg == 1 else str(uuid5(UUID(order), f"leg-{leg}"))


RECALLED: Final = "recalled"
"""Code of a report: Redis lost the decision to copy, which was then made anew as a skip; the venue had taken the order before."""
