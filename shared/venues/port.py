"""What Shoal asks of an exchange account: the protocol that every adapter implements and every fake honours.

All private calls of one API key go through that key's lane: one call in flight, its nonce allocated and sent inside the same
lock, a time-out always set. A method raises only the three leaves of `errors.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shared.domain.order import Side
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.rows import Balance, Balances, LeftOut, OrderList, RowReason, TradeKind, VenueOrder, VenueOrderStatus

__all__ = [
    "Accepted",
    "Balance",
    "Balances",
    "BeginSend",
    "Candle",
    "LeftOut",
    "NonceSource",
    "OrderList",
    "OrderRequest",
    "PublicVenue",
    "RowReason",
    "TradeKind",
    "Venue",
    "VenueOrder",
    "VenueOrderStatus",
]


class NonceSource(Protocol):
    """Where a lane takes its nonces from. Raises whatever tells the lane that it is no longer the owner."""

    async def next(self, *, advance: int = 0) -> int:
        """Allocate the next nonce of this key; `advance` first lifts the counter by that much."""
        ...


BeginSend = Callable[[int], Awaitable[int]]
"""Given the deadline that the venue will be told (epoch ms), records the intent durably and answers the nonce to send with;
raises to stop the send. Called inside the lane, right before the bytes leave, so that what is recorded is what is sent."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as it is to be sent. No limit price means a market order; with one it is limit, immediate-or-cancel."""

    client_order_id: str
    symbol: Symbol
    side: Side
    size: Quantity
    limit_price: Price | None
    deadline_at: int
    """Epoch ms after which the send must not begin. The venue's own deadline (Kraken `deadline`) is set when it does begin."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue took the order; what it filled is to be asked with `order`."""

    venue_order_id: str


@dataclass(frozen=True, slots=True)
class Candle:
    """One committed bar. `opened_at` in epoch ms of market time; the bar that is still forming is never given."""

    opened_at: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class PublicVenue(Protocol):
    """What anyone may ask; needs no key and no lane."""

    name: str

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Ask for all pairs with their steps, minimums and status (cached by the adapter, refreshed when old)."""
        ...

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Ask for the last prices; a symbol that the venue does not price is left out."""
        ...

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Ask for the committed candles of a symbol, oldest first."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Venue(PublicVenue, Protocol):
    """One account at an exchange."""

    async def renames(self) -> Mapping[str, str]:
        """Return the assets that the venue itself lists under another name than they had: old plain name to present one."""
        ...

    async def balances(self, *, patient: bool = False) -> Balances:
        """Ask for all balances by plain asset name. Raises when they are not known: never an empty answer for a failure.

        One balance that cannot be read leaves the others readable; to ask for that one raises Unavailable.

        `patient`: while the account may ask little, it is better to ask what became of orders first.
        """
        ...

    async def taker_fee(self, symbol: Symbol) -> Decimal:
        """Return the taker fee of this account as a fraction (0.004 is 0.40 %)."""
        ...

    async def place(self, order: OrderRequest, begin: BeginSend) -> Accepted:
        """Take the lane, call `begin` with the deadline for the nonce, send once: nothing before `begin` has answered.

        Never retries, but for one fresh nonce after the venue's own `Invalid nonce` reply (the order was refused before it
        was processed). Raises Rejected, Unavailable (not processed) or OutcomeUnknown; whatever `begin` raises passes through.
        """
        ...

    async def order(self, venue_order_id: str) -> VenueOrder:
        """Ask for one order by the venue's id."""
        ...

    async def find(self, client_order_id: str, *, since: int | None) -> VenueOrder | None:
        """Look for an order by client id among open orders, closed orders and trades since `since` (epoch ms; None: no trades).

        None means that the venue shows no such order now. It is proof only after the order's deadline and a margin: a fresh
        order can be invisible for a moment.
        """
        ...

    async def open_orders(self) -> OrderList:
        """List the orders that have not ended, whoever placed them. A fresh one can be missing for a moment.

        A row that cannot be read is left out of the list and stands in its `left_out`.
        """
        ...

    async def closed_orders(self, *, since: int) -> OrderList:
        """List orders that ended at or after `since` (epoch ms), filled or not, oldest first, whoever placed them.

        A row that cannot be read is left out of the list and stands in its `left_out`.
        """
        ...
