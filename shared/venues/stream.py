"""The private stream of an account: the venue says by itself what became of its orders, in milliseconds.

REST remains the truth. A stream that was cut, skipped or silent has not shown everything: its reader is told so (`resumed`) and
compares by REST since the last known fill before it trusts the stream again. What a stream shows of one order stands on its own
only if it is `whole`: then the sums are the venue's own, and REST need not be asked.

An adapter must never invent a fill: what it cannot read, or does not know the order of, is `unclear`, and REST is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, Protocol

from shared.venues.errors import VenueError
from shared.venues.rows import VenueOrder

ConnectPermit = Callable[[], Awaitable[None]]
"""Awaited before each attempt to connect: all processes of an address share the venue's limit. It may wait for long."""


class StreamRefused(VenueError):  # noqa: N818  # named like the other errors of the port
    """The venue lets this key trade, but not open streams."""


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order as it is after what the stream has shown. Sums are cumulative; the same state may come more than once."""

    order: VenueOrder
    whole: bool
    """Whether its sums are proven: the fills that were seen add up to what the venue says has filled, with all their fees.
    An order that has ended and is not whole is asked for by REST."""
    filled_at: int | None
    """When its last fill was made (epoch ms, the venue's time); None if nothing has filled, or that was not seen."""


class FundsKind(StrEnum):
    """Why a balance moved without an order."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    OTHER = "other"  # a conversion, a transfer between wallets, a reward, an adjustment, margin


@dataclass(frozen=True, slots=True)
class FundsMoved:
    """A balance moved, and no order did it. It is no signal; the equity is another one now."""

    asset: str
    kind: FundsKind
    at: int


class StreamReader(Protocol):
    """What an adapter tells, in the order of arrival."""

    async def resumed(self, why: str) -> None:
        """Rows may be missing from before now: compare by REST. What comes meanwhile is told afterwards.

        Called after each connect and subscription, and after a gap, a row that cannot be read or an unknown word. `why` is for
        logs.
        Raises nothing of the venue: a comparison that fails is the reader's to repeat.
        """
        ...

    def order_seen(self, seen: OrderSeen) -> None:
        """Hear what has become of an order. Must not raise."""
        ...

    def unclear(self, venue_order_id: str, why: str) -> None:
        """Hear that something has happened to an order that the stream alone does not tell: ask REST for it. Must not raise."""
        ...

    def funds_moved(self, moved: FundsMoved) -> None:
        """Hear that a balance moved without an order. Must not raise."""
        ...

    def interrupted(self, why: str) -> None:
        """Hear that nothing is seen until the next `resumed`. Must not raise."""
        ...


class PrivateStream(Protocol):
    """The stream of one account."""

    @property
    def shows_funds(self) -> bool:
        """Whether deposits, withdrawals and the like are shown now (`funds_moved`).

        If not, the balances are read as often as without a stream.
        """
        ...

    async def run(self, reader: StreamReader, permit: ConnectPermit) -> NoReturn:
        """Connect, subscribe and tell `reader`, for ever: connects again after every failure, with growing pauses.

        Raises StreamRefused for a key that may not open streams (who called polls instead), Rejected for a key that the venue
        refuses as a whole, and what the source of nonces raises.
        """
        ...
