"""A desk: everything that one account is traded with, under one lease.

There is no way from here to an entry without a decision from the order stream: a desk only knows how to carry decisions out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.executor.account import AccountKeeper
from services.executor.history import History
from services.executor.timing import VENUE_TIMEOUT
from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.orders import RETENTION_MS, OrderStore
from shared.bus.records import Records
from shared.config.boundary import Boundary
from shared.domain.policy import UserPolicy
from shared.venues.port import Venue

LEASE_NEEDED: Final = VENUE_TIMEOUT + 1.0
"""Seconds of lease that must be left when a send begins: its time-out and a margin."""


@dataclass(frozen=True, slots=True)
class Sent:
    """When this process began to send something: epoch ms, and seconds of a clock that does not step."""

    at: int
    monotonic: float


@dataclass(slots=True)
class Desk:
    """The parts of one account's trading. `begun` outlives the lease: when this process began to send which client id."""

    policy: UserPolicy
    venue: Venue
    lease: Lease
    store: OrderStore
    nonces: NonceCounter
    records: Records
    account: AccountKeeper
    clock: Callable[[], int]
    history: History
    begun: dict[str, Sent] = field(default_factory=dict)
    retention_ms: int = RETENTION_MS
    boundary: Boundary = field(default_factory=Boundary)

    @property
    def user(self) -> str:
        """The user's id."""
        return self.policy.user
