"""What this process knows about one API key, beyond the turns in which its user is served here.

A turn ends with every loss of the connection to Redis, and the next one begins a moment later with the same key at the same
venue: the venue's rate counters and the key's permissions have not changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.bus.ownership.nonce import NonceCounter
from shared.venues.factory import Budget


@dataclass(slots=True)
class KeyMemory:
    """The state of one key in this process."""

    budget: Budget
    nonces: NonceCounter | None = None
    """The counter of the last turn: it holds the highest nonce used here, below which a Redis that lost writes must not go."""
    probed: bool = False
    """Whether the key has made the lookups that resolving an order needs."""
