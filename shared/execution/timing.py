"""The times on which the safety of a send depends, in one place because they depend on each other.

What the venue decides is a property of its adapter; what we choose is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.venues.port import Venue

VENUE_TIMEOUT: Final = 5.0
"""Seconds for one call to a venue; an order's own deadline at the venue is as far ahead."""
LEASE_NEEDED: Final = VENUE_TIMEOUT + 1.0
"""Seconds of lease that must be left when a send begins: its time-out and a margin, so that we may still record its answer."""
SEARCH_SLACK_MS: Final = 60_000
"""How much earlier than the instant of sending the venue's lists are searched: that instant is an estimate."""
REPLAY_FOR_MS: Final = 30_000
"""How long after the start of a send its request may be sent again, at a venue that replays. Then it is searched for only, and a
new leg is planned: what is held and at which price it may be sold changes."""
SECOND: Final = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one venue may take, in ms."""

    visible_after_ms: int
    """How long a fresh order may be missing from the venue's lists."""
    furthest_deadline_ms: int
    """The venue takes no deadline that is further ahead."""
    order_life_ms: int = int(VENUE_TIMEOUT * SECOND)
    """How far after the start of a send its deadline lies, at most."""
    shortest_life_ms: int = 0
    """The same, at least: an order that must not arrive late is not begun in its last moments."""

    @property
    def proven_after_ms(self) -> int:
        """How long after the start of a send an order that the venue's lists do not show never existed.

        Nothing shorter is safe: a gateway may have checked the nonce or the token long before the engine sees the order, so that
        only the deadline ends it.
        """
        return max(int(VENUE_TIMEOUT * SECOND), self.order_life_ms) + self.visible_after_ms


def timing_of(venue: Venue) -> Timing:
    """Return the times that a venue's adapter states."""
    return Timing(venue.visible_after_ms, venue.furthest_deadline_ms, venue.order_life_ms, venue.shortest_life_ms)
