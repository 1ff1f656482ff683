"""What sending an order needs: built once per account and lease by the executor or the master.

It must never decide what to send: a sender sends the legs that it is given.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.bus.order.orders import OrderStore
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.execution.attempt import Attempt
from shared.execution.clock import Clock
from shared.execution.following.streamed_orders import StreamedOrders
from shared.execution.timing import Timing, timing_of
from shared.venues.errors import Refusal
from shared.venues.port import Venue, VenueOrder


class AccountState(Protocol):
    """Whether the account's key may be used now."""

    @property
    def ready(self) -> bool:
        """Whether the account can trade now."""
        ...

    async def until_ready(self) -> None:
        """Wait until the account can trade."""
        ...

    async def park(self, words: str, refusal: Refusal) -> None:
        """Stop using the key, which the venue has refused in these words."""
        ...


class SendHooks:
    """What a caller does between the steps of a send. The base class does nothing."""

    def written_ahead(self, order_id: str) -> None:
        """Called when the intent is durable and the bytes are about to leave."""

    def replied(self) -> None:
        """Called when the venue has accepted an order, before that is recorded."""

    async def before_bookkeeping(self) -> None:
        """Wait until the other orders of the process have left."""

    async def still_open(self, order_id: str, order: VenueOrder, asked_at: int) -> None:
        """Called for an order that the venue shows and that has not ended; `asked_at` (epoch ms) is when it was looked up."""

    def lost(self, order_id: str, reason: str) -> None:
        """Called when the venue no longer shows an order that it had named: it is polled until an operator ends that."""

    def shown_again(self, order_id: str) -> None:
        """Called when a lost order is shown again or has ended, or when it is no longer polled."""


@dataclass(slots=True)
class Sender:
    """One account's path to the venue under one lease. `attempts`, this process's sends by client order id, outlive it."""

    user: str
    venue: Venue
    store: OrderStore
    permit: NonceCounter | None
    """The nonces of the account's key; None at a venue without nonces."""
    lease: Lease
    clock: Clock
    account: AccountState
    patience_ms: int
    """How long an order may wait for its account's lane before it is returned to be planned again."""
    attempts: MutableMapping[str, Attempt] = field(default_factory=dict)
    hooks: SendHooks = field(default_factory=SendHooks)
    stream: StreamedOrders | None = None
    """What the account's private stream shows, where it has one: ends are then waited for before the venue is asked."""
    late_logged_until: float = 0.0
    """Steady instant before which nothing more is logged about orders that came after their deadline."""
    timing: Timing = field(init=False)

    def __post_init__(self) -> None:
        self.timing = timing_of(self.venue)
