"""What this process has learnt of one API key: it outlives the turns in which the key's user is served here.

A turn ends with every loss of the connection to Redis and the next one begins a moment later, with the same key at the same
exchange. What the exchange has counted by then, and what the key may do, is as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.bus.nonce import NonceCounter
from shared.venues.factory import RateBudget


@dataclass(slots=True)
class KeyMemory:
    """One key, as this process knows it."""

    budget: RateBudget
    nonces: NonceCounter | None = None
    """Of the last turn: it knows the highest nonce that was used here, below which a Redis that has lost writes must not lead."""
    probed: bool = False
    """Whether the key could make the lookups that finding out about an order needs."""
