"""A desk: everything that one account is traded with, under one lease.

There is no way from here to an entry without a decision from the order stream: a desk only knows how to carry decisions out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.executor.account import AccountKeeper
from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.orders import RETENTION_MS, OrderStore
from shared.bus.records import Records
from shared.config.boundary import Boundary
from shared.domain.policy import UserPolicy
from shared.venues.port import Venue

VENUE_TIMEOUT: Final = 5.0
"""Seconds for one call to a venue; an order's own deadline at the venue is the same."""
LEASE_NEEDED: Final = VENUE_TIMEOUT + 1.0
"""Seconds of lease that must be left when a send begins: its time-out and a margin."""
VISIBLE_AFTER_MS: Final = 3_000
"""How long a fresh order may be missing from a venue's lists (trap 16 of the exchange reference)."""


@dataclass(slots=True)
class Desk:
    """The parts of one account's trading. `begun` outlives the lease: ids this process has begun to send."""

    policy: UserPolicy
    venue: Venue
    lease: Lease
    store: OrderStore
    nonces: NonceCounter
    records: Records
    account: AccountKeeper
    clock: Callable[[], int]
    begun: dict[str, int] = field(default_factory=dict)
    retention_ms: int = RETENTION_MS
    boundary: Boundary = field(default_factory=Boundary)

    @property
    def user(self) -> str:
        """The user's id."""
        return self.policy.user
