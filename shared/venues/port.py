"""What Shoal needs of an exchange account: the protocol that every adapter and every fake implements.

Where a venue takes nonces, all private calls of one API key go through that key's lane: one call in flight, its nonce allocated
and sent inside the same lock. A time-out is always set. A method raises only the three leaves of `errors.py`.

What differs between venues is a property here (`replays`, `order_life_ms`, ...), never a question for the venue's name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shared.domain.key_report import Finding
from shared.domain.order import Side
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.rows import (
    Balance,
    Balances,
    OmittedRow,
    OrderList,
    RowReason,
    TradeKind,
    VenueOrder,
    VenueOrderStatus,
)
from shared.venues.stream import PrivateStream

__all__ = [
    "Balance",
    "Balances",
    "BeginSend",
    "Candle",
    "NonceSource",
    "OmittedRow",
    "OrderAck",
    "OrderList",
    "OrderRequest",
    "Outgoing",
    "PublicSide",
    "PublicVenue",
    "RowReason",
    "TradeKind",
    "Venue",
    "VenueOrder",
    "VenueOrderStatus",
]


class NonceSource(Protocol):
    """Allocates the nonces of a lane. Raises an error of the source's own when the lane is no longer the owner."""

    async def next(self, *, advance: int = 0) -> int:
        """Allocate the next nonce of this key; `advance` raises the counter by that much first."""
        ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is about to leave for the venue, as it must be recorded before the first byte does."""

    deadline_at: int
    """Epoch ms, the venue's time: an order that arrives later is refused there. It is fixed here and never extended."""
    body: str = ""
    """The exact text of the request, at a venue that `replays`; elsewhere empty."""


BeginSend = Callable[[Outgoing], Awaitable[int]]
"""Records the intent durably and returns the nonce to send with (0 at a venue without nonces); raises to stop the send. Called
right before the bytes leave, inside the lane where there is one, so that what is recorded is what is sent."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to be sent: at market without a limit price; with one immediate-or-cancel, unless it `rests`."""

    client_order_id: str
    symbol: Symbol
    side: Side
    size: Quantity
    limit_price: Price | None
    deadline_at: int
    """Epoch ms after which the send must not begin. The venue's own deadline (Kraken `deadline`) is set when it does begin."""
    latest_at: int | None = None
    """Epoch ms, the venue's time, after which the venue must not take the order: its deadline there is no later, but where that
    would be nearer than `shortest_life_ms`. None: as long as a send may take."""
    rests: bool = False
    """It stays open until it is filled or cancelled. Its deadline bounds when it can arrive, not how long it stays."""
    post_only: bool = False
    """Only with `rests`: the venue refuses or cancels it instead of filling it at once."""
    stop_price: Price | None = None
    """Only of a sale that `rests`: the venue does nothing until the last price is at it or below, and sells then: at market, or
    with a `limit_price` by a limit order. A venue takes one of the two: see `stops_at_market`."""

    def __post_init__(self) -> None:
        if self.rests and self.limit_price is None and self.stop_price is None:
            raise ValueError("only a limit order or a stop can rest")
        if self.post_only and not self.rests:
            raise ValueError("only a resting order can be post-only")
        if self.stop_price is not None and (not self.rests or self.post_only or self.side is not Side.SELL):
            raise ValueError("a stop is a sale that rests, and not post-only")


@dataclass(frozen=True, slots=True)
class OrderAck:
    """The venue accepted the order; query its fills with `order`."""

    venue_order_id: str


@dataclass(frozen=True, slots=True)
class Candle:
    """One committed bar. `opened_at` in epoch ms of market time; the bar that is still forming is never included."""

    opened_at: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class PublicVenue(Protocol):
    """The public calls, which need no key and no lane."""

    name: str

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Return all pairs with their steps, minimums and status (cached by the adapter, refreshed when old)."""
        ...

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Return the last prices; a symbol without a price at the venue is left out."""
        ...

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Return the committed candles of a symbol, oldest first."""
        ...

    async def close(self) -> None:
        """Close what was opened for this venue."""
        ...


class PublicSide(PublicVenue, Protocol):
    """A venue without an account: one for all accounts of a process."""

    async def ask_time(self) -> None:
        """Query the venue's time; the clock of its address learns from the answer."""
        ...


class Venue(PublicVenue, Protocol):
    """One account at an exchange."""

    visible_after_ms: int
    """How long a fresh order may be missing from the venue's lists."""
    furthest_deadline_ms: int
    """How far ahead of now the latest arrival of an order can be that the venue takes."""
    order_life_ms: int
    """How far after the start of a send the deadline lies that this adapter gives an order, at most."""
    shortest_life_ms: int
    """How far after the start of a send it lies at least, whatever `latest_at` says."""
    stops_at_market: bool
    """Whether a stop sells at market when it is reached; if not, it needs a limit (no market stop exists at Coinbase)."""
    replays: bool
    """Whether the venue answers a request with a known client order id with the order that the first one made (`replay`)."""

    async def renames(self) -> Mapping[str, str]:
        """Return the assets that the venue lists under a new name: old plain name to present one."""
        ...

    async def balances(self, *, patient: bool = False) -> Balances:
        """Return all balances by plain asset name. Raises when they are not known: never an empty answer for a failure.

        One balance that cannot be read leaves the others readable; accessing that one raises Unavailable.

        `patient`: while the rate budget is low, wait and let the lookups of orders go first.
        """
        ...

    async def check_key(self, symbol: Symbol | None, *, trades: bool, probe: bool) -> Sequence[Finding]:
        """Return what the venue says of this account's key; see `doctor.py`. Places, changes and moves nothing.

        `trades`: whether the key must have the right to trade. `probe`: have the venue check an order for `symbol` without
        taking it. Raises Rejected for a key that is refused as a whole, Unavailable, and what the source of permits raises.
        """
        ...

    async def taker_fee(self, symbol: Symbol) -> Decimal:
        """Return the taker fee of this account as a fraction (0.004 is 0.40 %)."""
        ...

    async def place(self, order: OrderRequest, begin: BeginSend) -> OrderAck:
        """Send an order once: `begin` gets what is about to leave and returns the nonce; no byte leaves before that.

        Never retries, except after the venue's own word that the request was refused before it was processed (Kraken: one fresh
        nonce after `Invalid nonce`; Coinbase: a fresh token after 401, within the same deadline). Raises Rejected, Unavailable
        (not processed), OutcomeUnknown, and what `begin` raises.
        """
        ...

    async def validate(self, order: OrderRequest) -> None:
        """Have the venue check an order as `place` would send it. It must place, hold and change nothing.

        Repeated while the venue is unavailable, as every lookup. Raises Rejected in the words in which the venue would refuse the
        order, Unavailable, OutcomeUnknown if the answer names an order all the same, and what the source of permits raises.
        """
        ...

    async def replay(self, body: str, begin: BeginSend, *, latest_at: int | None = None) -> OrderAck:
        """Send a recorded request again, byte for byte, with a permit of its own; only where the venue `replays`.

        `latest_at` as in `OrderRequest`: if the first one never came, this one is the order.

        Return the one order of that client order id, made by the first request or just now. Raises Rejected when there is no such
        order and none was made (an earlier copy may still arrive until its deadline), Unavailable, OutcomeUnknown (also when the
        venue names an order that is not the one of the body), and what `begin` raises.
        """
        ...

    async def cancel(self, order: VenueOrder) -> None:
        """Ask the venue to cancel an order that it has shown. Repeating it is harmless, so nothing is written ahead.

        An answer proves nothing about the order: it may have filled before, or may still fill. Only `order` says how it ended.
        Returns also if the venue says that there is nothing to cancel. Raises Unavailable, and Rejected for a refused key.
        """
        ...

    async def may_cancel(self) -> bool:
        """Return whether the key has the right to cancel: without it an order that rests would rest for ever.

        Asks the venue to cancel an order that cannot exist. Raises Unavailable, and Rejected for a key that is refused as a
        whole.
        """
        ...

    def private_stream(self) -> PrivateStream | None:
        """Return a stream of this account that has not connected yet; None if the venue, or this account, has none."""
        ...

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Return one order by the venue's id."""
        ...

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Find an order by client id among open orders, closed orders and trades since `since` (epoch ms; None: no trades).

        None means that the venue shows no such order now. It is proof only after the order's deadline and a margin: a fresh
        order can be invisible for a moment.
        """
        ...

    async def open_orders(self) -> OrderList:
        """Return the orders that have not ended, of all clients of the account. A fresh one can be missing for a moment.

        A row that cannot be read is not in the list but in its `left_out`.
        """
        ...

    async def closed_orders(self, *, since: int) -> OrderList:
        """Return the orders that ended at or after `since` (epoch ms), filled or not, oldest first, of all clients.

        A row that cannot be read is not in the list but in its `left_out`.
        """
        ...
