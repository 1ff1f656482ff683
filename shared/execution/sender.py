"""What sending an order needs, and no more: built once per account and lease by the executor or the master.

There is no way from here to an entry without a decision: a sender only carries out what it is handed.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.orders import OrderStore
from shared.execution.attempt import Attempt
from shared.execution.clock import Clock
from shared.execution.timing import Timing, timing_of
from shared.venues.errors import Refusal
from shared.venues.port import Venue, VenueOrder


class AccountState(Protocol):
    """Whether the account may be asked anything now."""

    @property
    def ready(self) -> bool:
        """Whether it can trade now."""
        ...

    async def until_ready(self) -> None:
        """Wait until it can."""
        ...

    async def park(self, words: str, refusal: Refusal) -> None:
        """Stop using the key: the venue has refused it in these words. May raise, where a refused key ends the caller's turn."""
        ...


class SendHooks:
    """What a caller does between the steps of a send. The base does nothing."""

    def written_ahead(self, order_id: str) -> None:
        """Note that the intent is durable and the bytes are about to leave."""

    def replied(self) -> None:
        """Note that the venue has taken an order, before that is recorded."""

    async def before_bookkeeping(self) -> None:
        """Wait until other orders of the process have left."""

    async def still_open(self, order_id: str, order: VenueOrder, asked_at: int) -> None:
        """Note an order that the venue shows and that has not ended; `asked_at` (epoch ms) is when it was asked about."""

    def lost(self, order_id: str, reason: str) -> None:
        """Note that the venue no longer shows an order that it had named: only an operator can end the asking."""

    def shown_again(self, order_id: str) -> None:
        """Note that an order which was lost is shown again, or was ended by an operator."""


@dataclass(slots=True)
class Sender:
    """One account's way to the venue, under one lease. `attempts` outlives the lease: this process's sends by client order id."""

    user: str
    venue: Venue
    store: OrderStore
    permit: NonceCounter
    lease: Lease
    clock: Clock
    account: AccountState
    patience_ms: int
    """How long an order may wait for its account's lane before it is handed back to be planned again."""
    attempts: MutableMapping[str, Attempt] = field(default_factory=dict)
    hooks: SendHooks = field(default_factory=SendHooks)
    late_logged_until: float = 0.0
    """Steady instant until which nothing more is logged about orders that came after their deadline."""
    timing: Timing = field(init=False)

    def __post_init__(self) -> None:
        self.timing = timing_of(self.venue)
